"""Passwords that are guessed first, of those that are long enough to be chosen.

Folded to lower case; after NIST SP 800-63B-4 section 3.1.1.2, which asks to refuse what
is commonly used or expected. Shorter ones are refused by their length.
"""

COMMON = frozenset(
    """
    password1234 password12345 password123456 passwordpassword password1password
    passw0rd1234 p@ssword1234 p@ssw0rd1234 mypassword123 newpassword123
    thisispassword thisismypassword changemechangeme changeme1234 letmeinletmein
    letmein12345 letmeinplease welcome12345 welcomewelcome welcome123456
    admin1234567 adminadmin123 administrator administrator1 administrator123
    rootrootroot root12345678 superuser1234 qwertyuiop12 qwertyuiop123
    qwertyuiop1234 qwertyuiopasdf qwertyuiopasdfghjkl qwertyuiop[] qwerty123456
    qwerty1234567 qwerty12345678 qwertyqwerty 1qaz2wsx3edc 1qaz2wsx3edc4rfv
    1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i q1w2e3r4t5y6 zaq12wsxcde3
    qazwsxedcrfv qazwsxedc123 asdfghjkl123 asdfghjklqwerty asdfasdfasdf
    zxcvbnm12345 zxcvbnmzxcvbnm abcdefghijkl abcdefghijklm abcdefghijklmnop
    abcdefg12345 abcd12345678 abc123abc123 a1b2c3d4e5f6 aa123456789a
    123456789012 1234567890123 12345678901234 123456789012345 1234567890123456
    012345678910 0123456789012 123456123456 123123123123 121212121212
    112233445566 111222333444 101010101010 098765432109 987654321012
    123456789abc 123456789qwe 123456qwerty 123qweasdzxc 1234qwerasdf
    1234567890qwertyuiop 123456789987654321 147258369147 147852369147 741852963741
    159753159753 741852963000 iloveyou1234 iloveyouforever iloveyou12345
    iloveyouiloveyou ihateyou1234 iloveyousomuch whateverwhatever trustno1trustno1
    sunshine1234 princess1234 football1234 baseball1234 basketball12
    superman1234 batman123456 spiderman123 pokemon12345 starwars1234
    dragon123456 monkey123456 shadow123456 master123456 michael12345
    jennifer1234 computer1234 internet1234 liverpool123 liverpoolfc1
    manchester1united chelsea12345 arsenal12345 barcelona123 realmadrid12
    metallica123 blink182blink182 summer202612 winter202612 summertime12
    christmas123 happybirthday happybirthday1 correcthorsebatterystaple
    fuckyou12345 fuckyoufuckyou motherfucker
    motherfucker1 jesuschrist1 jesus4life12 godisgood123 blessed12345
    hello1234567 hellohello12 helloworld123 testtesttest test12345678
    testpassword testing12345 default12345 guestguest12 user12345678
    temporary123 temppassword secret123456 secretsecret supersecret1
    unbelievable mississippi1 entertainment congratulations
    eticket-ledger eticketledger ticketticket tickets12345
    """.split()  # noqa: SIM905, words read better in lines
)
