"""Run by a Python that has pyrad2: its RadSecClient sends one request of each kind, some of them signed.

    pyrad2_client.py PORT CERTS DICTIONARY

Standard output gets one JSON object a line for each request: what it was, the reply's code and message, or the error.
"""

import asyncio
import json
import sys
from typing import Any

from pyrad2.dictionary import Dictionary
from pyrad2.radsec.client import RadSecClient

PORT, CERTS, DICTIONARY = sys.argv[1:]


async def main() -> None:
    client = RadSecClient(
        server="127.0.0.1",
        port=int(PORT),
        secret=b"radsec",
        dict=Dictionary(DICTIONARY),
        retries=1,
        certfile=CERTS + "/client/client.cert.pem",
        keyfile=CERTS + "/client/client.key.pem",
        certfile_server=CERTS + "/ca/ca.cert.pem",
    )

    def auth(password: str, **attributes: Any) -> Any:
        packet = client.create_auth_packet(User_Name="alice", **attributes)
        packet["User-Password"] = packet.pw_crypt(password.encode())
        return packet

    def acct(**attributes: Any) -> Any:
        return client.create_acct_packet(
            User_Name="alice", Acct_Status_Type="Start", Acct_Session_Id="pyrad2", **attributes
        )

    async with client:
        for name, packet in (
            ("auth", auth("correct horse")),
            ("auth, wrong password", auth("battery staple")),
            ("auth, signed", auth("correct horse", message_authenticator=True)),
            ("acct", acct()),
            ("acct, signed", acct(message_authenticator=True)),
            ("coa", client.create_coa_packet(User_Name="alice")),
            ("disconnect", client.create_coa_packet(code=40, User_Name="alice")),
            ("status", client.create_status_packet()),
        ):
            reply = await client.send_packet(packet)
            print(
                json.dumps(
                    {
                        "request": name,
                        "code": None if reply is None else reply.code,
                        "message": None if reply is None else reply.get("Reply-Message"),
                        "signed": reply is not None and reply.has_message_authenticator(),
                        "error": repr(client.last_error),
                    }
                )
            )


asyncio.run(main())
