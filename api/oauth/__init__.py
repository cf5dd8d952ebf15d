"""OAuth 2: tokens for programs that say who they are by themselves."""
