"""Where Kafka's classes are: in a distribution of it, or fetched with Maven, once a version."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
NEEDED_JAVA = 17
FETCH_TIMEOUT = 300.0


class NoKafka(RuntimeError):
    """There is no Apache Kafka to be had on this machine; the message says what is missing."""


def class_path(home: str | None = None) -> str:
    """Returns Java's class path of a broker.

    Args:
        home: a distribution's folder; None: that of KAFKA_HOME, else what Maven fetches.

    Raises:
        NoKafka: there is no Java, no Maven, or Maven could not fetch it.
    """
    check_java()
    if home := home or os.environ.get("KAFKA_HOME"):
        libs = Path(home) / "libs"
        if not any(libs.glob("kafka_*.jar")):
            raise NoKafka(f"{home} holds no Apache Kafka: there is no {libs}/kafka_*.jar")
        return f"{libs}/*"
    return f"{fetched()}/*"


def java() -> str | None:
    """Returns the path of the `java` command, that of JAVA_HOME first."""
    return shutil.which("java", path=_in_java_home()) or shutil.which("java")


def check_java() -> None:
    """Raises `NoKafka` unless there is a Java that is new enough for Kafka 4."""
    command = java()
    if command is None:
        raise NoKafka("there is no java")
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', told.stderr)
    if version is None or int(version[1]) < NEEDED_JAVA:
        raise NoKafka(f"{command} is older than Java {NEEDED_JAVA}")


def kafka_version() -> str:
    """Returns the version that the pom names."""
    found = re.search(r"<kafka\.version>(.+?)<", POM.read_text())
    assert found is not None
    return found[1]


def fetched() -> Path:
    """Returns the folder of the pom's jars, which are fetched where they are not there yet.

    Raises:
        NoKafka: there is no Maven, or it failed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regrade"
    pom = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    folder = cache / f"kafka-{kafka_version()}-{pom}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka("there is no mvn to fetch Apache Kafka with")
    cache.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: another process may be fetching, or look, at the same time.
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as temporary:
        jars = Path(temporary) / "jars"
        command = [maven, "-q", "-B", "-f", str(POM), PLUGIN, f"-DoutputDirectory={jars}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=FETCH_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise NoKafka(f"mvn fetched no Kafka within {FETCH_TIMEOUT:g} s") from error
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise NoKafka(f"mvn could not fetch Apache Kafka: {said[0] if said else 'no reason'}")
        if not folder.is_dir():
            try:
                jars.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


def _in_java_home() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin") if home else ""
