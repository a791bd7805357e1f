"""Files that processes share: the folder of keys, key rings, documents (files.md)."""
