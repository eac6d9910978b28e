# Use up the host's memory.
# label: small
# must: ran out of memory|MemoryError
# conclusion: failure
held = []
while True:
    held.append(bytearray(b"x") * (8 << 20))
