"""Room for bodies is taken from those that are slow."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from app.web.intake import Intake, IntakeLimits, TooMuchToRead


def test_a_body_whose_time_is_just_over_makes_place_for_another() -> None:
    async def never_whole() -> AsyncIterator[bytes]:
        yield b"12345"
        await asyncio.Event().wait()

    async def meet() -> None:
        intake = Intake(IntakeLimits(most_bytes=10, body_s=0, grace_s=0), Counter, sources=2)
        with intake.place("github", is_proven=False) as slow, intake.place("github", is_proven=False) as new:
            reading = asyncio.create_task(slow.read(never_whole(), 10))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # its timer has fired, and it has not been told yet
            intake.take(new, 1)
            assert (slow.size, new.size) == (0, 1)
            with pytest.raises(TooMuchToRead):
                await reading

    asyncio.run(meet())
