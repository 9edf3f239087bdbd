"""What the clients send again, and what they raise, held against a server that follows a script."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import unittest
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

from lastro import AsyncLastro, Lastro, LastroError, Refused, Retry, Unavailable, commands, new_id

TRANSFER = {
    "id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b",
    "kind": "transfer",
    "debit_account_id": "a",
    "credit_account_id": "b",
    "amount": 1,
    "description": "d",
    "timestamp": "2026-01-01T00:00:00.000000001Z",
    "a_member_of_a_newer_server": True,
}
ACCOUNT = {
    "id": "a",
    "currency": "BRL",
    "debits_posted": 0,
    "credits_posted": 0,
    "debits_pending": 0,
    "credits_pending": 0,
    "balance": 0,
    "entry_count": 0,
    "closed": False,
    "timestamp": "2026-01-01T00:00:00.000000001Z",
}

PAYMENT = {
    "id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b",
    "amount": 1,
    "currency": "BRL",
    "state": "settled",
    "attempt": 1,
    "accepted_at": "2026-01-01T00:00:00.000000001Z",
    "timestamp": "2026-01-01T00:00:00.000000002Z",
}

Step = tuple[int, dict[str, str], Any] | None
"""Status, headers and body of an answer; `None` closes the connection without one."""


def unavailable(status: int, *, nothing_done: bool, retry_after: str | None = None) -> Step:
    body = {
        "status": status,
        "code": "overloaded",
        "detail": "ask again",
        "nothing_done": nothing_done,
    }
    return status, {} if retry_after is None else {"Retry-After": retry_after}, body


class Script:
    """A server that answers each request with the next step, and remembers the paths and bodies."""

    def __init__(self, *steps: Step) -> None:
        self.paths: list[str] = []
        self.bodies: list[Any] = []
        script, left = self, list(steps)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                script.paths.append(self.path)
                script.bodies.append(json.loads(content) if content else None)
                step = left.pop(0)
                if step is None:
                    self.close_connection = True
                    return
                status, headers, body = step
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST
            do_PATCH = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Script:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


QUICK = Retry(within_s=30, first_pause_s=0.001, pause_max_s=0.01)


def call(script: Script, act: Callable[[Lastro], Any], retry: Retry = QUICK) -> Any:
    with Lastro(script.url, retry=retry) as ledger:
        return act(ledger)


def transfer(ledger: Lastro) -> Any:
    return ledger.transfer("a", "b", 1, "d")


class Retries(unittest.TestCase):
    def test_what_has_an_id_is_sent_until_it_is_answered(self) -> None:
        steps: tuple[Step, ...] = (
            unavailable(503, nothing_done=True, retry_after="0"),
            None,
            unavailable(504, nothing_done=False),
            unavailable(429, nothing_done=True, retry_after=formatdate(time() - 5, usegmt=True)),
            (502, {}, b"<html>bad gateway</html>"),
            (200, {"Idempotency-Replayed": "true"}, TRANSFER),
        )
        with Script(*steps) as script:
            found = call(script, transfer)
        self.assertTrue(found.replayed)
        self.assertEqual(len(script.bodies), len(steps))
        self.assertEqual(len({body["id"] for body in script.bodies}), 1, "one id for all attempts")

    def test_asyncio_does_the_same(self) -> None:
        async def act(url: str) -> Any:
            async with AsyncLastro(url, retry=QUICK) as ledger:
                return await ledger.transfer("a", "b", 1, "d")

        with Script(None, unavailable(503, nothing_done=True), (201, {}, TRANSFER)) as script:
            found = asyncio.run(act(script.url))
        self.assertFalse(found.replayed)
        self.assertEqual(len(script.bodies), 3)

    def test_what_has_no_id_is_not_sent_again_after_an_unknown_outcome(self) -> None:
        change = lambda ledger: ledger.change_limit("a", 5)  # noqa: E731
        for step in (None, unavailable(504, nothing_done=False)):
            with Script(unavailable(503, nothing_done=True), step) as script:
                with self.assertRaises(Unavailable) as raised:
                    call(script, change)
            self.assertFalse(raised.exception.nothing_done)
            self.assertEqual(len(script.bodies), 2)
        with Script(unavailable(503, nothing_done=True), (200, {}, ACCOUNT)) as script:
            self.assertEqual(call(script, change).id, "a")

    def test_a_batch_is_sent_again_only_if_all_of_it_happens_once(self) -> None:
        members = [commands.transfer("a", "b", 1, "d"), commands.change_limit("a", 5)]
        answer = {"atomic": True, "outcomes": [], "id": str(new_id())}
        with Script(None) as script, self.assertRaises(Unavailable):
            call(script, lambda ledger: ledger.batch(members))
        self.assertEqual(len(script.bodies), 1)
        with Script(None, (200, {}, answer)) as script:
            call(script, lambda ledger: ledger.batch(members, atomic=True))
        self.assertEqual(script.bodies[0], script.bodies[1])
        with Script(None, (200, {}, {**answer, "atomic": False})) as script:
            call(script, lambda ledger: ledger.batch(members[:1]))
        self.assertEqual(len(script.bodies), 2)

    def test_events_are_followed_over_lost_answers(self) -> None:
        def page(*positions: str, next: str) -> Step:
            event = {"type": "payments.purged", "timestamp": "t", "payments_count": 1}
            events = [{**event, "position": position} for position in positions]
            return 200, {}, {"events": events, "next": next}

        steps = (page("p1", "p2", next="p2"), None, page(next="p9"), page("p10", next="p10"))
        with Script(*steps) as script:
            first = lambda ledger: [  # noqa: E731
                event.position for _, event in zip(range(3), ledger.events())
            ]
            self.assertEqual(call(script, first), ["p1", "p2", "p10"])
        self.assertEqual(len(script.bodies), len(steps))

    def test_a_replay_is_not_sent_again_after_a_lost_answer(self) -> None:
        with Script(None) as script, self.assertRaises(Unavailable):
            call(script, lambda ledger: ledger.replay_webhook("orders", "beginning"))
        self.assertEqual(len(script.bodies), 1)

    def test_a_resolution_is_not_sent_again_after_a_lost_answer(self) -> None:
        decide = lambda ledger: ledger.resolve(  # noqa: E731
            PAYMENT["id"], resolution="settled", attempt=1, who="ana", why="on their statement"
        )
        with Script(None) as script, self.assertRaises(Unavailable) as raised:
            call(script, decide)
        self.assertFalse(raised.exception.nothing_done)
        with Script(unavailable(503, nothing_done=True), (200, {}, PAYMENT)) as script:
            self.assertEqual(call(script, decide).state, "settled")
        self.assertEqual(script.paths, [f"/v1/payments/{PAYMENT['id']}/resolve"] * 2)
        body = {"resolution": "settled", "attempt": 1, "who": "ana", "why": "on their statement"}
        self.assertEqual(script.bodies, [body] * 2)

    def test_a_pause_beyond_the_time_for_retries_is_not_begun(self) -> None:
        step = unavailable(503, nothing_done=True, retry_after="3600")
        with Script(step) as script, self.assertRaises(Unavailable) as raised:
            call(script, transfer)
        self.assertTrue(raised.exception.nothing_done)
        problem = raised.exception.problem
        assert problem is not None
        self.assertEqual(problem.code, "overloaded")

    def test_where_nobody_listens_nothing_was_done(self) -> None:
        with Script() as script:
            url = script.url
        with Lastro(url, retry=Retry(within_s=0.05, first_pause_s=0.01)) as ledger:
            with self.assertRaises(Unavailable) as raised:
                transfer(ledger)
        self.assertTrue(raised.exception.nothing_done)
        self.assertIsNone(raised.exception.problem)

    def test_a_decision_is_not_asked_for_again(self) -> None:
        body = {"status": 422, "code": "insufficient_funds", "detail": "no", "available": 3}
        with Script((422, {}, body)) as script, self.assertRaises(Refused) as raised:
            call(script, transfer)
        self.assertEqual(raised.exception.code, "insufficient_funds")
        self.assertEqual(raised.exception.problem.members["available"], 3)
        self.assertEqual(len(script.bodies), 1)

    def test_another_server_is_named_as_such(self) -> None:
        with Script((200, {}, b"<html>hello</html>")) as script:
            with self.assertRaisesRegex(LastroError, "is this Lastro"):
                call(script, transfer)

    def test_pauses_grow_to_their_bound_and_keep_what_the_server_asks(self) -> None:
        retry = Retry(first_pause_s=0.1, pause_max_s=1.0)
        self.assertTrue(0.05 <= retry.pause_s(1, None) <= 0.1)
        self.assertTrue(0.5 <= retry.pause_s(1_000, None) <= 1.0)
        self.assertGreaterEqual(retry.pause_s(1, 7.0), 7.0)


class Lists(unittest.TestCase):
    STEPS: tuple[Step, ...] = (
        (200, {}, {"transfers": [TRANSFER], "next_cursor": "one"}),
        None,
        (200, {}, {"transfers": [], "next_cursor": "two"}),
        (200, {}, {"transfers": [TRANSFER], "next_cursor": None}),
    )

    def walked(self, script: Script) -> None:
        narrow = "account=a&reference=x%26y&kind=pend&state=pending"
        path = f"/v1/transfers?{narrow}&from=t1&order=asc&limit=2"
        cursors = ["", "&cursor=one", "&cursor=one", "&cursor=two"]
        self.assertEqual(script.paths, [path + cursor for cursor in cursors])

    def test_transfers_are_walked_over_empty_pages_and_lost_answers(self) -> None:
        with Script(*self.STEPS) as script:
            found = call(
                script,
                lambda ledger: list(
                    ledger.transfers(
                        page=2,
                        account="a",
                        reference="x&y",
                        kind="pend",
                        state="pending",
                        from_="t1",
                        order="asc",
                    )
                ),
            )
        self.assertEqual([str(transfer.id) for transfer in found], [TRANSFER["id"]] * 2)
        self.walked(script)

    def test_asyncio_walks_the_same(self) -> None:
        async def act(url: str) -> int:
            async with AsyncLastro(url, retry=QUICK) as ledger:
                found = ledger.transfers(
                    page=2,
                    account="a",
                    reference="x&y",
                    kind="pend",
                    state="pending",
                    from_="t1",
                    order="asc",
                )
                return len([transfer async for transfer in found])

        with Script(*self.STEPS) as script:
            self.assertEqual(asyncio.run(act(script.url)), 2)
        self.walked(script)

    def test_transfers_of_nothing_are_not_asked_for(self) -> None:
        with Script() as script, self.assertRaises(ValueError):
            call(script, lambda ledger: ledger.transfers_page(kind="pend"))

    def test_payments_are_walked(self) -> None:
        newer = {**PAYMENT, "a_member_of_a_newer_server": True}
        steps: tuple[Step, ...] = (
            (200, {}, {"payments": [PAYMENT], "next_cursor": "one"}),
            (200, {}, {"payments": [newer], "next_cursor": None}),
            (200, {}, {"payments": [], "next_cursor": None}),
        )
        with Script(*steps) as script:
            found = call(script, lambda ledger: list(ledger.payments(page=1)))
            page = call(
                script,
                lambda ledger: ledger.payments_page(
                    state="refused",
                    processor="default",
                    account="a",
                    reference="r",
                    older_than_s=0,
                    from_="t1",
                    to="t2",
                    order="asc",
                ),
            )
        self.assertEqual([payment.state for payment in found], ["settled"] * 2)
        self.assertEqual((page.payments, page.next_cursor), ((), None))
        narrow = "state=refused&processor=default&account=a&reference=r&older_than_s=0"
        paths = ["limit=1", "limit=1&cursor=one", f"{narrow}&from=t1&to=t2&order=asc"]
        self.assertEqual(script.paths, [f"/v1/payments?{path}" for path in paths])

    def test_entries_of_the_systems_accounts_have_no_number_and_no_balance(self) -> None:
        entry = {**TRANSFER, "transfer_id": TRANSFER["id"]}
        window = {"from": None, "to": None, "order": "asc"}
        page = {"account": ACCOUNT, "window": window, "entries": [entry], "next_cursor": None}
        with Script((200, {}, page)) as script:
            found = call(script, lambda ledger: ledger.statement_page("world:BRL", order="asc"))
        self.assertEqual((found.entries[0].number, found.entries[0].balance_after), (None, None))
        self.assertEqual((found.window.opening_balance, found.window.entries_count), (None, None))


class Faces(unittest.TestCase):
    def test_both_clients_have_the_same_methods(self) -> None:
        def methods(face: type) -> dict[str, tuple[list[str], str | None]]:
            return {
                name: (list(inspect.signature(method).parameters), inspect.getdoc(method))
                for name, method in inspect.getmembers(face, inspect.isfunction)
                if not name.startswith("_")
            }

        self.assertEqual(methods(Lastro), methods(AsyncLastro))

    def test_ids_are_of_version_7_and_grow_with_time(self) -> None:
        ids = [new_id() for _ in range(100)]
        self.assertEqual({(id.version, id.variant) for id in ids}, {(7, ids[0].variant)})
        self.assertEqual(len(set(ids)), 100)
        millis = [id.int >> 80 for id in ids]
        self.assertEqual(millis, sorted(millis))
        self.assertLess(abs(millis[0] - time() * 1000), 60_000)


if __name__ == "__main__":
    unittest.main()
