import asyncio, pytest, time
from collections.abc import Iterator
from pathlib import Path
from stream.settings import Settings
from stream.topics import Topics
from .worker_process import SHORT, Workers

@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    with Workers(settings.model_copy(update=SHORT), tmp_path) as started:
        yield started

async def test_x(workers: Workers, topics: Topics) -> None:
    t=time.time()
    a = workers.start()
    await workers.ready()
    print("one", time.time()-t, a.homes, a.generation)
    t=time.time()
    b = workers.start()
    await workers.ready()
    print("two", time.time()-t, a.homes, b.homes, a.generation)
    t=time.time()
    a.kill()
    await workers.ready()
    print("killed", time.time()-t, b.homes)
    t=time.time()
    b.terminate()
    print(await b.ended(), time.time()-t)
    print(a.log)
    print(b.log)
