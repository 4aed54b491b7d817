"""Modules with their counterparts, worked out by hand."""

from harness.porting.parity.naming import counterparts


def test_equal_names_are_counterparts_and_the_rest_is_left_out():
    assert counterparts(["a", "a.b", ""], ["a", "a.c", ""]) == {"a": "a", "": "", "a.c": "a.b"}


def test_what_is_left_over_below_counterparts_is_paired_in_order_only_where_equally_many():
    reference = ["f.transforms.32", "f.transforms.128", "f", "g.x", "g"]
    port = ["f.transforms.1", "f.transforms.0", "f", "g.y", "g.z", "g"]
    found = counterparts(reference, port)
    assert found["f.transforms.1"] == "f.transforms.32"
    assert found["f.transforms.0"] == "f.transforms.128"
    assert "g.y" not in found
    assert "g.z" not in found


def test_a_container_that_only_one_side_calls_hides_nothing_in_it():
    reference = ["blocks.0.norm", "blocks.0", "blocks.1.norm", "blocks.1", "blocks", ""]
    port = ["blocks.0.norm", "blocks.0", "blocks.1.norm", "blocks.1", ""]
    assert counterparts(reference, port) == {name: name for name in port}


def test_pairs_are_found_below_pairs_that_were_found():
    reference = ["mlp.first.norm", "mlp.first", "mlp"]
    port = ["mlp.0.scale", "mlp.0", "mlp"]
    assert counterparts(reference, port) == {"mlp": "mlp", "mlp.0": "mlp.first", "mlp.0.scale": "mlp.first.norm"}
