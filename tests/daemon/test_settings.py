import base64
from ipaddress import ip_network
from pathlib import Path

import pytest

from daemon.settings import SECRETS_FILE, VARIABLES, BadSettings, Settings, call_of, load

KEY = base64.b64encode(b"k" * 32).decode()
STRONG = {"SECRET_KEY": "s" * 32, "ADMIN_IDS": "a" * 16, "SEALING_KEYS": KEY}
OWN = STRONG | {"DATABASE_URL": "postgresql://u:hunter2@db/x"}


def settings(tmp_path: Path, **environ: str) -> Settings:
    return load(environ, folder=tmp_path, default_home=lambda _: tmp_path / "home")


CASES = {  # variable → (text, where it shows, what it says)
    "HOST": ("0.0.0.0", lambda s: s.host, "0.0.0.0"),
    "PORT": ("0", lambda s: s.port, 0),
    "HOOKD_HOME": ("/somewhere", lambda s: s.hookd_home, Path("/somewhere")),
    "DATABASE_URL": ("postgresql:///y", lambda s: (s.embedded, s.database_url.get_secret_value()), (False, "postgresql:///y")),
    "PARTITIONS": ("64", lambda s: s.partitions, 64),
    "WORKERS": ("3", lambda s: s.workers, 3),
    "SECRET_KEY": ("z" * 40, lambda s: s.secret_key.get_secret_value(), "z" * 40),
    "ADMIN_IDS": ("a" * 16 + ", " + "b" * 20, lambda s: s.admin_id_values, ("a" * 16, "b" * 20)),
    "SEALING_KEYS": (f"{KEY},{KEY}", lambda s: s.sealing_key_bytes, [b"k" * 32] * 2),
    "TRIGGER_BATCH_SIZE": ("3", lambda s: s.trigger_batch_size, 3),
    "MAX_IN_FLIGHT": ("7", lambda s: s.max_in_flight, 7),
    "ATTEMPT_TIMEOUT_S": ("2.5", lambda s: s.attempt_timeout_s, 2.5),
    "CONNECT_TIMEOUT_S": ("1", lambda s: s.connect_timeout_s, 1.0),
    "ALLOW_NETWORKS": ("10.0.0.0/8 fd00::/8", lambda s: list(map(str, s.networks)), ["10.0.0.0/8", "fd00::/8"]),
    "CA_FILE": (__file__, lambda s: s.ca_file, Path(__file__)),
    "RETRY_DELAYS_S": ("1, 2.5", lambda s: s.rules.retry.delays_s, (1.0, 2.5)),
    "RETRY_ATTEMPTS_MAX": ("5", lambda s: s.rules.retry.attempts(), 5),
    "RETRY_JITTER": ("0", lambda s: s.rules.retry.jitter, 0.0),
    "RETRY_AFTER_MAX_S": ("60", lambda s: s.rules.retry.retry_after_max_s, 60.0),
    "BREAKER_FAILURES_MAX": ("4", lambda s: s.rules.breaker.failures_max, 4),
    "DISABLE_AFTER_S": ("99", lambda s: s.rules.breaker.disable_after_s, 99.0),
    "RETENTION_DAYS": ("7", lambda s: s.rules.retention_days, 7),
    "SEAL_INTERVAL_S": ("0.5", lambda s: s.seal_interval_s, 0.5),
    "PAYLOAD_CACHE_BYTES": ("2097152", lambda s: s.payload_cache_bytes, 2 << 20),
    "STOP_GRACE_S": ("1.5", lambda s: s.stop_grace_s, 1.5),
    "LOG_LEVEL": ("debug", lambda s: s.log_level, "debug"),
    "LOG_FORMAT": ("json", lambda s: s.log_format, "json"),
}  # fmt: skip


def test_every_setting_has_its_case() -> None:
    assert set(CASES) == set(VARIABLES)
    assert all(field.description for field in VARIABLES.values())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_every_setting_changes_what_it_says(tmp_path: Path, name: str, place: str) -> None:
    text, read, expected = CASES[name]
    environ = OWN | {name: text}
    if place == ".env":
        (tmp_path / ".env").write_text(f'{name}="{text}"\n')
        del environ[name]
    found = settings(tmp_path, **environ)
    assert read(found) == expected
    if name not in OWN:
        assert read(settings(tmp_path.parent, **OWN)) != expected


def test_the_environment_wins_over_the_file_and_what_is_given_over_both(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nHOST=file\n")
    found = load(OWN | {"PORT": "2"}, folder=tmp_path, default_home=lambda _: tmp_path, port=3, host=None)
    assert (found.port, found.host) == (3, "file")


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    assert settings(tmp_path, **OWN, PORT="").port == 8000


BAD = {
    "PORT": "70000", "PARTITIONS": "0", "TRIGGER_BATCH_SIZE": "x", "RETRY_JITTER": "2", "LOG_LEVEL": "loud",
    "ALLOW_NETWORKS": "10.0.0.0/8,hunter2", "RETRY_DELAYS_S": "1,soon", "ATTEMPT_TIMEOUT_S": "0",
    "SECRET_KEY": "hunter2", "ADMIN_IDS": "hunter2", "SEALING_KEYS": "hünter2",
}  # fmt: skip


def test_all_that_is_wrong_is_said_at_once_and_no_value_is_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOOKD_PROT=hunter2\n")
    with pytest.raises(BadSettings) as error:
        settings(tmp_path, **(OWN | BAD))
    assert sorted(line.partition(":")[0] for line in error.value.problems) == sorted([*BAD, "HOOKD_PROT"])
    assert "hunter2" not in str(error.value)
    assert "hünter2" not in str(error.value)


@pytest.mark.parametrize("name", STRONG)
def test_a_database_of_ones_own_needs_real_secrets(tmp_path: Path, name: str) -> None:
    environ = dict(OWN)
    del environ[name]
    with pytest.raises(BadSettings, match=name):
        settings(tmp_path, **environ)
    assert not (tmp_path / "home").exists(), "none are made up"


def test_secrets_are_generated_once_for_the_embedded_database(tmp_path: Path) -> None:
    first, second = settings(tmp_path), settings(tmp_path)
    assert first == second
    assert len(first.sealing_key_bytes[0]) == 32
    assert first.admin_id_values != settings(tmp_path, HOOKD_HOME=str(tmp_path / "other")).admin_id_values
    path = tmp_path / "home" / SECRETS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o066 == 0
    assert settings(tmp_path, SECRET_KEY="z" * 32).secret_key.get_secret_value() == "z" * 32


def test_no_secret_is_shown_by_printing(tmp_path: Path) -> None:
    found = settings(tmp_path, **OWN)
    assert not [secret for secret in (*STRONG.values(), "hunter2") if secret in f"{found!r}{found}"]


def test_loopback_is_allowed_on_the_embedded_database_only(tmp_path: Path) -> None:
    assert ip_network("127.0.0.0/8") in settings(tmp_path).networks
    assert settings(tmp_path, **OWN).networks == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CA_FILE", "/no/such.pem", "CA_FILE: there is no file /no/such.pem"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL: must begin with postgresql://"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load({name: value}, folder=tmp_path, default_home=lambda _: tmp_path / "home")
    assert said in refused.value.problems


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(BadSettings, match=r"\.env: is not UTF-8 text"):
        load({}, folder=tmp_path, default_home=lambda _: tmp_path / "home")


def test_an_option_can_unset_what_the_environment_says(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://db/hookd"}
    assert load(environ, folder=tmp_path, default_home=lambda _: tmp_path, database_url="").embedded


def test_commands_shown_to_people_find_the_same_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV", "HOOKD_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    settings = load({}, folder=tmp_path, default_home=lambda _: tmp_path / "a")
    assert call_of(settings, lambda _: tmp_path / "a") == "hookd"
    assert call_of(settings, lambda _: tmp_path / "b") == f"HOOKD_HOME={tmp_path / 'a'} hookd"
    monkeypatch.setenv("UV", "/bin/uv")
    assert call_of(settings, lambda _: tmp_path / "a") == "uv run hookd"


def test_as_many_processes_as_cores_and_never_a_crowd_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores, started in ((1, 1), (3, 3), (64, 8)):
        monkeypatch.setattr("daemon.settings._cores", lambda cores=cores: cores)
        assert settings(tmp_path, **OWN).processes == started
    assert settings(tmp_path, **OWN, WORKERS="20").processes == 20
