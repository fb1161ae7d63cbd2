# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend does where own chains are in tables of others, or are to be, see :mod:`placed`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import kept_from_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    own_objects,
    read_listing,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    BOOT,
    FAMILY,
    KEPT,
    LISTING,
    PLACED,
    PREFIX,
    PROGRAM,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import ASIDE_FILE, BootPlace
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.placed import (
    Place,
    as_own_table,
    back_text,
    found_places,
    misplaced,
    named_table,
    placed_text,
    read_place,
    script,
    standing_text,
    without_base,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, Observed, Script
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand, Step

Chains = Optional[tuple[str, ...]]
"""Base chains of a foreign table that are to call the own ones; none: the own table; None: wherever they are."""


def back_texts(nft: Nft, listing: Listing) -> str:
    """Return the texts that bring own chains in tables of others back, for an observation."""
    return json.dumps({place.table: back_text(nft, listing, place) for place in found_places(listing)})


def decode_elsewhere(listing: Listing, chains: Chains) -> tuple[Ruleset, Listing, str]:
    """Read the own rules; returns them, what others decide beside them, and what their place is called.

    :raises DbportsError: when a chain that the user names is not there.
    """
    place = _place(listing, chains)
    ruleset = _read(listing, place, anywhere=chains is None)
    if place is None:
        return ruleset, listing, f"table {FAMILY} {TABLE}"
    return ruleset, without_base(listing, place), f"chains {PREFIX}* of table {FAMILY} {place.table}"


def encode_elsewhere(wanted: Ruleset, observed: Observed, chains: Chains, *, persist: bool) -> Script:
    """Write what brings the host that was observed to ``wanted``."""
    boot, place = BootPlace.from_text(observed[BOOT]), _place(read_listing(observed[LISTING]), chains)
    tables = _tables(observed, chains)
    keep = persist and bool(wanted)
    if place:
        text, not_kept = placed_text(wanted, place), boot.placed_reason(place.table)
        again = script([place.table], text, boot.together(place.table), ASIDE_FILE)
        kept = boot.placed(place.table, again, standing_text(place, text)) if keep else Kept()
    else:
        text, not_kept = encode(wanted), boot.reason
        kept = boot.wanted(text if keep else None)
    return Script(
        load=(_run(script(tables, text)),) if observed[PROGRAM] else (),
        keep=boot.own.keep_steps(kept_from_text(observed[KEPT]), kept),
        kept=kept,
        not_kept=not_kept if keep else None,
    )


def back_step(observed: Observed, chains: Chains) -> Step:
    """Write what brings back the own chains in tables of others that were observed; no others stay."""
    return _run(script(_tables(observed, chains), "\n".join(json.loads(observed[PLACED]).values())))


def _place(listing: Listing, chains: Chains) -> Optional[Place]:
    """Return where the own chains are to be; None is the own table."""
    found = found_places(listing)
    return (found[0] if found else None) if chains is None else read_place(listing, chains)


def _tables(observed: Observed, chains: Chains) -> set[str]:
    """Return the tables of others that have own chains, or are to have them."""
    return {*json.loads(observed[PLACED]), *([named_table(chains)] if chains else [])}


def _read(listing: Listing, place: Optional[Place], *, anywhere: bool) -> Ruleset:
    """Read the own rules, in the own table or in those of others; what is in the wrong place is unexpected.

    :param anywhere: whether every place is right.
    """
    found = {TABLE: decode(listing)} if any(own_objects(listing)) else {}
    for there in found_places(listing):
        read = decode(as_own_table(listing, there))
        wrong = misplaced(listing, place if place and place.table == there.table else there)
        found[there.table] = replace(read, unexpected=(*read.unexpected, *wrong))
    right = place.table if place else TABLE
    if not found:
        return Ruleset()
    main = found.get(right) or next(iter(found.values()))
    wrong_tables = [table for table in found if table != right] if not anywhere or len(found) > 1 else []
    strays = tuple(f"rules in table {FAMILY} {table}" for table in wrong_tables)
    return replace(main, unexpected=(*main.unexpected, *strays))


def _run(text: str) -> RunCommand:
    """Return the step that runs a script."""
    return RunCommand(("sh", "-s"), text)
