"""Whether parts do what they say: asked by ``check``, and of a user's own parts when they are first used."""
