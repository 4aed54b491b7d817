"""DeepMind's GraphCast files, made after google-deepmind/graphcast's checkpoint.py, and their order of channels."""

import itertools
import zipfile

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import load_file, save_file

from harness.errors import UserError
from harness.porting.convert.convert import Request, convert_here
from harness.porting.convert.expected import expected_network, shapes_of
from harness.porting.convert.running import kind_of
from harness.scenario import catalogue

LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
SURFACE = (
    *("2m_temperature", "mean_sea_level_pressure", "10m_v_component_of_wind", "10m_u_component_of_wind"),
    "total_precipitation_6hr",
)
ATMOSPHERE = (
    *("temperature", "geopotential", "u_component_of_wind", "v_component_of_wind", "vertical_velocity"),
    "specific_humidity",
)
FORCINGS = (
    *("toa_incident_solar_radiation", "year_progress_sin", "year_progress_cos", "day_progress_sin"),
    "day_progress_cos",
)
STATICS = ("geopotential_at_surface", "land_sea_mask")
WIDTH, STEPS, NODE_FEATURES = 48, 2, 3
NETWORK = {
    "resolution": 1.0,
    "mesh_size": 2,
    "latent_size": WIDTH,
    "gnn_msg_steps": STEPS,
    "hidden_layers": 1,
    "radius_query_fraction_edge_length": 0.6,
    "mesh2grid_edge_normalization_factor": 0.6180338738074472,
}
PLAIN = {name: value for name, value in NETWORK.items() if name != "mesh2grid_edge_normalization_factor"}
OF_PRESET = {"model": "graphcast", "preset": "tiny", "data": "era5_graphcast13"}
LENGTH = "model_overrides: {graphcast: {mesh_to_grid_length: 0.6180338738074472}}"


def stacked(times, names):
    """The channels of variables in the reference's order, each labelled, stacked by xarray as model_utils does."""
    dataset = xr.Dataset()
    for name in names:
        if name in STATICS:
            dims, labels = (), np.array(f"{name}|None|None", object)
        elif name in ATMOSPHERE:
            dims = ("time", "level")
            labels = np.array([[f"{name}|{level}|{time}" for level in LEVELS] for time in times], object)
        else:
            dims, labels = ("time",), np.array([f"{name}|None|{time}" for time in times], object)
        dataset[name] = (dims, labels)
    channels = []
    for name in sorted(dataset.data_vars):
        variable = dataset.variables[name]
        channels += list(variable.stack(channels=variable.dims).values) if variable.dims else [variable.item()]
    return channels


def our_labels():
    """The channels of x as harness.models.domain.Domain documents them, by DeepMind's names."""
    data = catalogue.data("era5_graphcast13")
    states = [
        (next(name for name in channel.variable if name in (*SURFACE, *ATMOSPHERE)), channel.level)
        for channel in data.channels
    ]
    states = [(name, None if level is None else int(level)) for name, level in states]
    found = [f"{name}|{level}|{time}" for time in (0, -1) for name, level in states]
    found += [f"{name}|None|{time}" for time in (-1, 0, 1) for name in FORCINGS]
    found += [f"{name}|None|None" for name in STATICS]
    return found, [f"{name}|{level}|0" for name, level in states]


def parameters():
    """Modules of the reference's network with the shapes that Haiku gives them."""
    inputs = len(stacked((-1, 0), (*SURFACE, *ATMOSPHERE, *FORCINGS, *STATICS))) + len(FORCINGS)
    outputs = len(stacked((0,), (*SURFACE, *ATMOSPHERE)))
    random = np.random.default_rng(7)
    found = {}

    def mlp(gnn, module, features, out=WIDTH, norm=True):
        at = f"params:{gnn}/~_networks_builder/{module}"
        for layer, (before, after) in enumerate(itertools.pairwise((features, WIDTH, out))):
            found[f"{at}_mlp/~/linear_{layer}:w"] = random.standard_normal((before, after)).astype(np.float32)
            found[f"{at}_mlp/~/linear_{layer}:b"] = random.standard_normal(after).astype(np.float32)
        if norm:
            found[f"{at}_layer_norm:scale"] = random.standard_normal(out).astype(np.float32)
            found[f"{at}_layer_norm:offset"] = random.standard_normal(out).astype(np.float32)

    for kind in ("grid_nodes", "mesh_nodes"):
        mlp("grid2mesh_gnn", f"encoder_nodes_{kind}", inputs + NODE_FEATURES)
    mlp("grid2mesh_gnn", "encoder_edges_grid2mesh", 4)
    mlp("grid2mesh_gnn", "processor_edges_0_grid2mesh", 3 * WIDTH)
    mlp("grid2mesh_gnn", "processor_nodes_0_grid_nodes", WIDTH)
    mlp("grid2mesh_gnn", "processor_nodes_0_mesh_nodes", 2 * WIDTH)
    mlp("mesh_gnn", "encoder_edges_mesh", 4)
    for step in range(STEPS):
        mlp("mesh_gnn", f"processor_edges_{step}_mesh", 3 * WIDTH)
        mlp("mesh_gnn", f"processor_nodes_{step}_mesh_nodes", 2 * WIDTH)
    mlp("mesh2grid_gnn", "encoder_edges_mesh2grid", 4)
    mlp("mesh2grid_gnn", "processor_edges_0_mesh2grid", 3 * WIDTH)
    mlp("mesh2grid_gnn", "processor_nodes_0_grid_nodes", 2 * WIDTH)
    mlp("mesh2grid_gnn", "processor_nodes_0_mesh_nodes", WIDTH)
    mlp("mesh2grid_gnn", "decoder_nodes_grid_nodes", WIDTH, outputs, norm=False)
    return found


def checkpoint(path, *, network=NETWORK, inputs=(*SURFACE, *ATMOSPHERE, *FORCINGS, *STATICS), save=np.savez):
    content = parameters()
    content |= {f"model_config:{name}": np.array(value) for name, value in network.items()}
    lists = {
        "input_variables": inputs,
        "target_variables": (*SURFACE, *ATMOSPHERE),
        "forcing_variables": FORCINGS,
        "pressure_levels": LEVELS,
    }
    for name, values in lists.items():
        content |= {f"task_config:{name}:{place}": np.array(value) for place, value in enumerate(values)}
    content |= {"task_config:input_duration": np.array("12h"), "description": np.array("made"), "license": np.array("")}
    save(path, **content)
    return path, content


def convert(path, place, *, overrides=LENGTH, **options):
    if options.get("data", OF_PRESET["data"]) == OF_PRESET["data"]:
        mapping = place.with_name("mapping.yaml")
        mapping.write_text(catalogue.path_of("data", OF_PRESET["data"]).read_text() + overrides)
        options["data"] = str(mapping)
    return convert_here(
        Request(
            source=path,
            source_kind=kind_of(path),
            target=place,
            place=place,
            target_kind="safetensors",
            target_layout="neutral",
            **{**OF_PRESET, **options},
        )
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_parameter_is_ours_with_the_channels_in_the_order_of_the_data(tmp_path, save):
    path, content = checkpoint(tmp_path / "GraphCast_small.npz", save=save)
    outcome = convert(path, tmp_path / "ours.safetensors")
    assert outcome.refusal is None
    assert "no normalisation" in " ".join(outcome.remarks)
    found = load_file(tmp_path / "ours.safetensors")
    expected = shapes_of(expected_network(**OF_PRESET))
    assert {name: values.shape for name, values in found.items()} == expected

    theirs = [*stacked((-1, 0), (*SURFACE, *ATMOSPHERE, *FORCINGS, *STATICS)), *stacked((1,), FORCINGS)]
    ours, outputs = our_labels()
    at = "params:grid2mesh_gnn/~_networks_builder/encoder_nodes_grid_nodes_mlp/~/linear_0:w"
    first = found["grid_embedding.layers.0.weight"]
    for place, label in enumerate(ours):
        np.testing.assert_array_equal(first[:, place], content[at][theirs.index(label)], err_msg=label)
    np.testing.assert_array_equal(first[:, len(ours) :], content[at][len(ours) :].T)
    their_outputs = stacked((0,), (*SURFACE, *ATMOSPHERE))
    at = "params:mesh2grid_gnn/~_networks_builder/decoder_nodes_grid_nodes_mlp/~/linear_1"
    for place, label in enumerate(outputs):
        row = their_outputs.index(label)
        np.testing.assert_array_equal(found["head.layers.1.weight"][place], content[f"{at}:w"][:, row], err_msg=label)
        assert found["head.layers.1.bias"][place] == content[f"{at}:b"][row]

    at = "params:mesh_gnn/~_networks_builder/processor_edges_1_mesh"
    step = "processor.steps.1.edge_update"
    np.testing.assert_array_equal(found[f"{step}.layers.1.weight"], content[f"{at}_mlp/~/linear_1:w"].T)
    np.testing.assert_array_equal(found[f"{step}.norm.weight"], content[f"{at}_layer_norm:scale"])
    np.testing.assert_array_equal(found[f"{step}.norm.bias"], content[f"{at}_layer_norm:offset"])


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        ({}, {"model": None, "preset": None, "data": None}, "give --model, --preset and --data"),
        ({"network": {**NETWORK, "mesh_size": 5}}, {}, "refinements of the mesh 5, graphcast tiny has 2"),
        ({"network": {**NETWORK, "gnn_msg_steps": 16}}, {}, "message steps 16, graphcast tiny has 2"),
        (
            {},
            {"overrides": ""},
            "mesh to grid 0.618034, .* none; give the network mesh_to_grid_length: 0.6180338738074472",
        ),
        (
            {"network": PLAIN},
            {},
            "mesh to grid none, graphcast tiny has 0.618034; give the network mesh_to_grid_length: null",
        ),
        (
            {"network": {**NETWORK, "radius_query_fraction_edge_length": 0.5999912857713345}},
            {},
            "radius fraction 0.599991, .* has 0.6; give the network radius_fraction: 0.5999912857713345",
        ),
        ({"network": PLAIN}, {"data": "rossby_forced"}, "other variables than the data"),
        ({"network": PLAIN}, {"data": "era5_graphcast37"}, "at 1 hPa and"),
        ({}, {"model": "fourcastnet", "data": "rossby"}, "not for fourcastnet tiny"),
        (
            {"inputs": tuple(name for name in (*SURFACE, *ATMOSPHERE, *FORCINGS, *STATICS) if "precip" not in name)},
            {},
            "predicts total_precipitation_6hr without taking it in",
        ),
    ],
)
def test_another_network_or_task_is_named(tmp_path, made, options, said):
    path, _ = checkpoint(tmp_path / "params.npz", **made)
    with pytest.raises(UserError, match=said):
        convert(path, tmp_path / "out.safetensors", **options)
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("named", [{"source_names": "graphcast-deepmind"}, {"find_names": True}])
@pytest.mark.parametrize("save", [np.savez, lambda path, **arrays: save_file(arrays, path)], ids=["npz", "safetensors"])
def test_its_names_without_its_task_are_refused_for_nothing_tells_the_order_of_the_channels(tmp_path, save, named):
    path = tmp_path / ("bare.npz" if save is np.savez else "bare.safetensors")
    save(path, **{name.removeprefix("params:"): values for name, values in parameters().items()})
    with pytest.raises(UserError, match="channels are in an order of their own"):
        convert(path, tmp_path / "out.safetensors", **named)
    assert not (tmp_path / "out.safetensors").exists()


def test_names_that_lead_one_way_are_no_target(tmp_path):
    path, _ = checkpoint(tmp_path / "params.npz")
    with pytest.raises(UserError, match="lead from the file to ours only"):
        convert(path, tmp_path / "out.safetensors", target_names="graphcast-deepmind")


def test_a_plain_npz_is_parameters_by_name(tmp_path):
    random = np.random.default_rng(0)
    arrays = {"a.weight": np.asfortranarray(random.standard_normal((3, 2))), "b": np.arange(3, dtype=">f4")}
    np.savez(tmp_path / "plain.npz", **arrays)
    options = {"model": None, "preset": None, "data": None}
    assert convert(tmp_path / "plain.npz", tmp_path / "out.safetensors", **options).refusal is None
    found = load_file(tmp_path / "out.safetensors")
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


def rewritten(source, target, change):
    """The archive with one member changed and its checksums right."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_an_array_that_claims_a_billion_values_or_holds_objects_is_named(tmp_path):
    np.savez(tmp_path / "plain.npz", a=np.zeros((4, 2)), b=np.zeros(3))
    options = {"model": None, "preset": None, "data": None}

    def claim(name, content):
        return content.replace(b"(4, 2), }  ", b"(1000000000,), }") if name == "a.npy" else content

    lying = rewritten(tmp_path / "plain.npz", tmp_path / "lying.npz", claim)
    with pytest.raises(UserError, match=r"a (claims 1,000,000,000 values|is a damaged array)"):
        convert(lying, tmp_path / "out.safetensors", **options)
    np.savez(tmp_path / "objects.npz", a=np.array([{}], object))
    with pytest.raises(UserError, match="a holds Python objects"):
        convert(tmp_path / "objects.npz", tmp_path / "out.safetensors", **options)
