"""The stages of a life that a prompt asks for: clauses, their verbs, and how fast and how far each goes."""

from collections.abc import Collection
from dataclasses import dataclass, field

from backend.species import SPECIES, Life

from .items import ADJECTIVES, Item, Row
from .lexicon import SEPARATED, STATES
from .meaning import NotUnderstood, Stage
from .vocabulary.objects import PROCESSES_OF
from .vocabulary.small_words import EARLIER, FIRST

_VERBS = ("process", "whole")
_JOINING = ("and ", "but ", "und ")  # of a phrase that begins a clause and says its place
_MARKS = ("then", "and", "while", "after", "before")


@dataclass
class _Verb:
    """A stage while it is put together, and where its verb stands."""

    process: str
    at: int
    drop: int | None = None
    pace: str | None = None
    amount: float | None = None
    together: bool = False
    again: bool = False  # said once more on purpose
    state: bool = False  # said of the object as it is, not of what happens to it: "a closed rose"

    def take(self, modifier: Item) -> bool:
        """Give a pace or an amount to this stage; False where another one was said."""
        slot = modifier.kind
        if getattr(self, slot) not in (None, modifier.value):
            return False
        setattr(self, slot, modifier.value)
        modifier.used = True
        return True

    def stage(self) -> Stage:
        return Stage(self.process, self.pace, self.amount, self.drop, self.together)


@dataclass
class _Clause:
    """Words between two borders. `marks` are the connectors that lead it in."""

    marks: set[str] = field(default_factory=set)
    verbs: list[_Verb] = field(default_factory=list)
    modifiers: list[tuple[int, Item]] = field(default_factory=list)
    orders: list[tuple[int, str]] = field(default_factory=list)  # "first" and "earlier", and where they stand
    together: bool = False


def stages_of(row: Row, specimen: str) -> tuple[Stage, ...]:
    """The stages in the order in which they happen. A process that the specimen lacks is among them, to be refused."""
    verbs = _told(row, PROCESSES_OF[specimen], specimen)
    return _staged(_begun(row, verbs, SPECIES[specimen].life))


def stages_of_any(row: Row, able: Collection[str]) -> tuple[Stage, ...]:
    """The same of a thing of which no more is known than what may happen to it. Raises NotUnderstood."""
    return _staged(_told(row, able, None))


def _told(row: Row, able: Collection[str], specimen: str | None) -> list[_Verb]:
    """All verbs in the order in which they happen, with what is said of each; `able` is what may happen to it."""
    separated(row)
    clauses = _clauses(row, able)
    _modify(clauses)
    return _ordered(clauses, specimen)


def _staged(verbs: list[_Verb]) -> tuple[Stage, ...]:
    verbs = _merged(verbs)
    led_by_while = bool(verbs) and verbs[0].together
    for k, verb in enumerate(verbs):
        beside_sway = verb.process == "sway" or (k == 1 and verbs[0].process == "sway")
        verb.together = k > 0 and (verb.together or beside_sway or (k == 1 and led_by_while))
    return tuple(verb.stage() for verb in verbs)


def separated(row: Row) -> None:
    """German verbs whose particle stands at the end of the clause: "geht ... auf"."""
    for k, item in list(row.of("separated")):
        for other in row.items[k + 1 :]:
            if other.kind in (*_MARKS, "break"):
                break
            if other.kind == "particle" and (process := SEPARATED.get((item.last, other.last))):
                item.kind, item.value = "process", process
                break


def _clauses(row: Row, able: Collection[str]) -> list[_Clause]:
    clauses = [_Clause()]
    for k, item in enumerate(row.items):
        if item.scenery or (item.used and item.kind != "object"):
            continue
        if item.kind == "then" and _is_within_clause(row, k):
            clauses[-1].marks.add("then")
        elif item.kind in ("break", "subject", *_MARKS):
            if clauses[-1].verbs or clauses[-1].modifiers:
                clauses.append(_Clause())
            if item.kind in _MARKS:
                clauses[-1].marks.add(item.kind)
        elif item.kind == "object":
            # "before wilting a rose blooms": the noun begins the main clause
            if clauses[-1].verbs and len(clauses) == 1 and clauses[0].marks & {"before", "after", "while"}:
                clauses.append(_Clause())
        elif item.kind == "together":
            clauses[-1].together = True
        elif item.kind == "silent" and item.text in FIRST | EARLIER:
            if item.text.startswith(_JOINING) and clauses[-1].verbs:
                clauses.append(_Clause())
            clauses[-1].orders.append((k, "first" if item.text in FIRST else "earlier"))
        elif item.kind in _VERBS:
            verb = _verb(item, k, able)
            verb.again = row.at(k + 1).kind == "again" or row.at(k - 1).kind == "again"
            verb.state = _is_state(row, k)
            clauses[-1].verbs.append(verb)
            item.used = True
        elif item.kind in ("pace", "amount"):
            clauses[-1].modifiers.append((k, item))
    return clauses


def _is_within_clause(row: Row, k: int) -> bool:
    """German and French "then" may follow its verb: "welkt dann langsam"."""
    if row.language == "en" or row.at(k - 1).kind in ("break", "and"):
        return False
    end = row.next_not(k + 1, {item.kind for item in row.items} - {*_VERBS, *_MARKS, "break"})
    return row.at(end).kind not in _VERBS


def _is_state(row: Row, k: int) -> bool:
    """Whether the participle at k stands beside the noun: "a closed white rose", "une rose blanche fermée"."""
    step = -1 if row.language == "fr" else 1
    noun = row.at(row.next_not(k + step, ADJECTIVES - {"process", "pace"}, step))
    return row.items[k].last in STATES[row.language] and noun.kind == "object"


def _verb(item: Item, k: int, able: Collection[str]) -> _Verb:
    """The stage that a verb names; of several processes the first that may happen."""
    value, drop = item.value if isinstance(item.value, tuple) else (item.value, None)
    choices = value.split("|")
    process = next((choice for choice in choices if choice in able), choices[0])
    return _Verb(process, k, drop, amount=1.0 if item.kind == "whole" else None)


def _modify(clauses: list[_Clause]) -> None:
    """Give paces and amounts to the verbs they stand beside; "then completely" repeats the stage before it."""
    for c, clause in enumerate(clauses):
        before = [verb for earlier in clauses[:c] for verb in earlier.verbs]
        for at, modifier in clause.modifiers:
            if clause.verbs:
                candidates = _nearest_first(clause.verbs, at)
            elif before and "then" in clause.marks:
                clause.verbs = [_Verb(before[-1].process, at, again=True)]
                candidates = clause.verbs
            else:
                candidates = before[-1:] or [verb for later in clauses[c + 1 :] for verb in later.verbs][:1]
            if candidates:
                candidates[0].take(modifier)


def _nearest_first(verbs: list[_Verb], at: int) -> list[_Verb]:
    """The verb before a modifier, unless only the one after it stands right beside it."""
    earlier = [verb for verb in reversed(verbs) if verb.at < at]
    later = [verb for verb in verbs if verb.at > at]
    if later and later[0].at == at + 1 and not (earlier and earlier[0].at == at - 1):
        return later + earlier
    return earlier + later


def _order(clause: _Clause, specimen: str | None) -> str | None:
    """Where its words say that a clause belongs. Raises NotUnderstood where they may be of one verb among several, or
    say two things: "a rose wilting and first blooming, before that closing"."""
    said = {order for _, order in clause.orders}
    if not said:
        return None
    unclear = len(clause.verbs) > 1 and max(at for at, _ in clause.orders) > clause.verbs[0].at
    if len(said) > 1 or unclear or ("earlier" in said and "then" in clause.marks):
        raise NotUnderstood.disordered(specimen)
    return said.pop()


def _ordered(clauses: list[_Clause], specimen: str | None) -> list[_Verb]:
    """All verbs in the order in which they happen: "wilting after blooming" blooms first."""
    groups: list[list[_Verb]] = []
    waiting: list[_Verb] = []  # of "before it wilts, ...", until the main clause has been told
    for clause in clauses:
        if not clause.verbs:
            continue
        if clause.together or "while" in clause.marks:
            clause.verbs[0].together = True
        for verb in clause.verbs:
            verb.again = verb.again or "then" in clause.marks
        if order := _order(clause, specimen):
            groups.insert(0 if order == "first" else max(len(groups) - 1, 0), clause.verbs)
            groups += [waiting] if waiting else []
            waiting = []
        elif "then" in clause.marks:
            groups.append(clause.verbs)
        elif "before" in clause.marks and not groups:
            waiting = clause.verbs
        elif "after" in clause.marks and groups:
            groups.insert(len(groups) - 1, clause.verbs)
        else:
            groups.append(clause.verbs)
            if waiting:
                groups.append(waiting)
                waiting = []
    return [verb for group in [*groups, waiting] for verb in group]


def _begun(row: Row, verbs: list[_Verb], life: Life) -> list[_Verb]:
    """Without the states in which it is when what is said of it begins. Where that does not begin there ("a wilted rose
    blooming"), the state is passed over."""
    kept = []
    for k, verb in enumerate(verbs):
        later = [other.process for other in verbs[k + 1 :] if not other.state and other.process in life.stretches]
        whole = verb.pace is None and verb.amount in (None, 1.0)
        if not (verb.state and whole and later and verb.process in life.stretches):
            kept.append(verb)
        elif not _leads_to(life, verb.process, later[0]):
            row.items[verb.at].used = False
    return kept


def _leads_to(life: Life, process: str, following: str) -> bool:
    """Whether nothing lies between the end of the one and the start of the other."""
    end, start = life.stretches[process].end, life.stretches[following].start
    return end <= start and not any(end < edge < start for stretch in life.stretches.values() for edge in stretch)


def _merged(verbs: list[_Verb]) -> list[_Verb]:
    """A process that is named twice in a row is one stage, unless it is said to happen again."""
    merged: list[_Verb] = []
    for verb in verbs:
        last = merged[-1] if merged else None
        same = last is not None and last.process == verb.process and not verb.again
        if same and not any(
            None not in (mine := getattr(last, slot), other := getattr(verb, slot)) and mine != other
            for slot in ("pace", "amount", "drop")
        ):
            last.pace, last.amount = last.pace or verb.pace, last.amount or verb.amount
            last.drop = last.drop or verb.drop
        else:
            merged.append(verb)
    return merged
