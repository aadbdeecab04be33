"""A recording: what lay on topics, byte for byte, as a folder of Avro files.

`stream/README.md`, "Recordings", says how it is laid out and why.
"""

from stream.replay.recording.blocks import Damage
from stream.replay.recording.manifest import FileEntry, Manifest
from stream.replay.recording.reader import Recording
from stream.replay.recording.writer import RecordingWriter

__all__ = ["Damage", "FileEntry", "Manifest", "Recording", "RecordingWriter"]
