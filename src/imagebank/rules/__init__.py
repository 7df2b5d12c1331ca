"""A site's own rules for what arrives: read, judged and told in words. What they lead to, actions do."""
