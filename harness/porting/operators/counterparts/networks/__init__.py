"""Matrix products, normalisation, convolution, pooling, attention, losses and Fourier transforms."""
