"""One rank of one launch, in a process of its own: build the network, train, infer, and write what was measured."""
