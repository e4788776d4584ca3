"""How missing files can be fetched, as a command or in words."""

from pathlib import Path

import pytest

from ptycho_bench.data.fetch import fetch_words

AD_LTEM, PTYNET = "https://github.com/danielzt12/AD_LTEM", "https://github.com/paidaxinbao/PtyNet"


def test_files_of_repositories_need_one_clone_each():
    missing = [(Path(f"data/ad_ltem/{name}"), AD_LTEM) for name in ("design_amp.tiff", "design_tphi.tiff")]
    assert fetch_words(missing) == f"git clone {AD_LTEM} data/ad_ltem"
    both = fetch_words([*missing, (Path("data/ptynet/probe.npy"), PTYNET)])
    assert both == f"git clone {AD_LTEM} data/ad_ltem && git clone {PTYNET} data/ptynet"
    assert fetch_words([(Path("my data/x/a.npy"), PTYNET)]) == f"git clone {PTYNET} 'my data/x'"


@pytest.mark.parametrize("source", ["https://huggingface.co/datasets/a/b", f"{PTYNET}, tests/data", "the authors"])
def test_files_of_other_sources_are_described(source):
    missing = [(Path("data/x/a.npz"), source), (Path("data/x/b.npy"), source)]
    assert fetch_words(missing) == f"download a.npz and b.npy from {source} into data/x"
    assert fetch_words([*missing, (Path("y/c"), PTYNET)]).endswith(f"into data/x; git clone {PTYNET} y")


def test_a_folder_with_files_is_no_place_for_a_clone(tmp_path):
    assert fetch_words([(tmp_path / "a.npy", PTYNET)]) == f"git clone {PTYNET} {tmp_path}"
    (tmp_path / "other").touch()
    assert fetch_words([(tmp_path / "a.npy", PTYNET)]) == f"download a.npy from {PTYNET} into {tmp_path}"
