"""The card side: it carries tickets to cards and never decides who owns them."""
