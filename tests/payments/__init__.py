"""Payment providers: what any adapter has to keep, and what the sandbox can do."""
