"""The page of the module, in sections; each is built when it is first opened."""
