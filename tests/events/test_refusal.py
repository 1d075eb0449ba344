from events import refusal


def test_refusals_have_a_code_for_machines_and_words_for_people() -> None:
    assert refusal.not_found("Endpoint") == refusal.Refusal("not_found", "Endpoint not found")
    assert refusal.conflict("taken", "uid") == refusal.Refusal("conflict", "taken", "uid")
    assert refusal.conflict("taken", code="x").code == "x"
    assert refusal.invalid("uid", "bad") == refusal.Refusal("invalid", "bad", "uid")
