"""Networks with one trap each, as they come from a port by search and replace, and networks without any."""

from mindspore import Parameter, Tensor, mint, nn, ops
from mindspore.common.initializer import Normal


def gelu():
    return nn.SequentialCell(nn.Dense(2, 2), nn.GELU())


def layer_norm():
    return nn.SequentialCell(nn.LayerNorm((4,)))


def batch_norm():
    return nn.SequentialCell(nn.BatchNorm2d(4, momentum=0.1))


def dropout():
    return nn.SequentialCell(nn.Dropout(keep_prob=0.1))


def dropout_on():
    return nn.SequentialCell(nn.Dropout(p=0.1)).set_train()


def convolution():
    return nn.SequentialCell(nn.Conv2d(3, 4, 3))


def convolutions():
    return nn.SequentialCell(nn.Conv1d(3, 4, 11, has_bias=True), nn.Conv2dTranspose(4, 4, 3, 2), nn.Conv3d(3, 4, 1))


def pools():
    return nn.SequentialCell(nn.MaxPool2d(2), nn.AvgPool1d(3), nn.AvgPool3d(2, 2))


def leaky():
    return nn.SequentialCell(nn.LeakyReLU())


def smooth_loss():
    return nn.SequentialCell(nn.SmoothL1Loss())


def embedding():
    return nn.SequentialCell(nn.Embedding(50, 20))


def uncorrected():
    network = nn.Dense(2, 2)
    return network, nn.AdamWeightDecay(network.trainable_params(), weight_decay=0.1)


def coupled():
    network = nn.Dense(2, 2)
    return network, nn.Adam(network.trainable_params(), weight_decay=0.1)


class Functions(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = Parameter(Tensor([1.0]))

    def construct(self, x):
        x = ops.einsum("ij,jk->ik", x, x) + mint.nn.functional.gelu(x)
        return ops.dropout(ops.real(ops.rfft2(x)), p=0.5)


class Defaults(nn.Cell):
    def __init__(self):
        super().__init__()
        self.norm, self.gelu = ops.LayerNorm(), ops.GeLU()

    def construct(self, x, y):
        x = ops.leaky_relu(x) / ops.std(x, 0) + ops.var(x, axis=1) + ops.avg_pool2d(x, 2) - x.std()
        return ops.smooth_l1_loss(x, ops.meshgrid(x, y)[0])


def defaults():
    return Defaults()


class Given(nn.Cell):
    def __init__(self):
        super().__init__()
        self.norm = ops.LayerNorm(1, 1, 1e-5)

    def construct(self, x, y, slope, sizes):
        x = (
            ops.leaky_relu(x, slope) / ops.std(x, 0, 1)
            + ops.var(x, ddof=1)
            + ops.avg_pool2d(x, *sizes)
            - x.var(0, 1) * x.std(correction=1)
        )
        return ops.smooth_l1_loss(x, ops.meshgrid(x, y, indexing="ij")[0], reduction="mean")


def given():
    return Given()


def functions():
    return Functions()


class Clean(nn.Cell):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 20, embedding_table=Normal(1.0))
        self.norm = nn.LayerNorm((20,), epsilon=1e-5)
        self.batch_norm = nn.BatchNorm2d(4)
        self.convolution = nn.Conv2d(3, 4, 3, pad_mode="pad", padding=1, has_bias=True)
        self.pointwise = nn.Conv2d(3, 4, 1, has_bias=True)
        self.to_patches = nn.Conv2dTranspose(4, 4, 2, 2, has_bias=True)
        self.pool, self.leaky = nn.MaxPool2d(2, 2), nn.LeakyReLU(0.01)
        self.gelu, self.dropout = nn.GELU(approximate=False), nn.Dropout(p=0.1)

    def construct(self, x):
        x = self.gelu(self.norm(self.table(x)))
        return ops.dropout(ops.matmul(x, x), p=0.5, training=False)


def clean():
    network = Clean()
    return network, nn.Adam(network.trainable_params())


def model(name):
    """The harness's own network."""
    from small import small_scenario

    from harness.frameworks import open_framework
    from harness.worker.subject import prepare

    subject = prepare(small_scenario(name))
    framework = open_framework("mindspore", "CPU")
    framework.build(subject.package, subject.network, subject.domain)
    return framework.network


def fourcastnet():
    return model("fourcastnet")


def graphcast():
    return model("graphcast")


def aigoms():
    return model("aigoms")


def no_cell():
    return 3


def failing():
    raise RuntimeError("no weights here")
