"""What a round through the clinic has to say, as plain data: for each patient the way from symptom to verdict."""

from msgspec import Struct

from doctor.model import FORMAT, Verdict, Verification


class Visit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one patient.

    Attributes
    ----------
    name : str
        The patient's file, relative to the folder of all patients.
    disease, symptom : str
        In words, as the patient's file has them.
    kind : str
        What is verified: "data", "config" or "command".
    expected : Verdict
        What must come out: verified for a disease; refuted or not testable for a control.
    finding : str
        The sentence of the finding; empty where there was none.
    verification : Verification or None
        None where it did not come to that.
    trouble : str
        Why it failed; empty where all is as expected.
    """

    name: str
    disease: str
    check: str
    kind: str
    symptom: str
    expected: Verdict
    finding: str = ""
    verification: Verification | None = None
    trouble: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all came as expected."""
        return not self.trouble

    @property
    def control(self) -> bool:
        """Whether it is there to show that not everything is called verified."""
        return self.expected is not Verdict.VERIFIED


class Round(Struct, frozen=True, kw_only=True):
    """A visit to every patient."""

    format: int = FORMAT
    version: str
    visits: list[Visit]
    workers: int = 1
    seconds: float = 0.0

    @property
    def diseases(self) -> list[Visit]:
        """The patients who are to be cured."""
        return [visit for visit in self.visits if not visit.control]

    @property
    def controls(self) -> list[Visit]:
        """The patients who are there so that a verdict means something."""
        return [visit for visit in self.visits if visit.control]

    @property
    def failed(self) -> list[Visit]:
        """Those with whom something is not as it must be."""
        return [visit for visit in self.visits if not visit.passed]
