"""Administration by hand: keys, users, Sites; and that the audit log names who did it."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from core.vocabulary import Role
from tests.browser.catalogue import filled, said
from tests.browser.conftest import PHONE, Visit, sign_in
from tests.browser.stage import ADMIN, HOSPITAL, OPERATOR, VIEWER, Person, Stage, radiograph
from tests.browser.survey import axe, overflowing, settle
from tests.browser.test_submit import choose
from tests.browser.watch import Watch, violations

# Sooner than the event stream looks by itself whether its session still holds (15 s).
AT_ONCE_MS = 5_000
RESULT_MS = 60_000


def row(page: Page, text: str) -> Locator:
    """The row of a table that has this text."""
    return page.get_by_role("main").get_by_role("row").filter(has_text=text)


def taken(page: Page, title: str, label: str) -> str:
    """What a dialogue of this title shows the one time; it is closed."""
    dialog = page.get_by_role("dialog", name=title)
    secret = dialog.get_by_label(label, exact=True).input_value()
    dialog.get_by_role("button", name=said("shell.close"), exact=True).last.click()
    expect(dialog).to_have_count(0)
    return secret


def confirm(page: Page, title: str, verb: str) -> None:
    """Say yes to the question of this title."""
    page.get_by_role("dialog", name=title).get_by_role("button", name=verb, exact=True).click()


def answers(stage: Stage, key: str) -> dict[str, int]:
    """What the API answers to a program with this key: to reading, sending and administering."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=stage.address, headers=headers, timeout=30) as program:
        sent = program.post("/v1/jobs", files={"file": ("image.png", radiograph(940))})
        return {
            "read": program.get("/v1/jobs").status_code,
            "submit": sent.status_code,
            "admin": program.get("/v1/users").status_code,
        }


def choice(page: Page, field: Locator, option: str) -> None:
    """Choose an option of a Select."""
    field.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_key_does_what_it_may_until_it_is_renewed_and_revoked(visit: Visit, stage: Stage) -> None:
    name = "workstation 9"
    page = visit("/admin/keys")
    page.get_by_role("button", name=said("admin.keys.new")).click()
    form = page.get_by_role("dialog", name=said("admin.keys.new"))
    form.get_by_role("button", name=said("admin.keys.make")).click()
    expect(form.get_by_text(said("admin.needed"))).to_be_visible()
    settle(page)
    assert not violations(axe(page))
    form.get_by_label(said("admin.name")).fill(name)
    form.get_by_role("checkbox", name=said("admin.scope.submit")).uncheck()
    form.get_by_role("button", name=said("admin.keys.make")).click()
    made = filled("admin.keys.made", name=name)
    first = taken(page, made, said("admin.keys.secret"))
    assert answers(stage, first) == {"read": 200, "submit": 403, "admin": 403}

    expect(row(page, name)).to_contain_text(said("admin.scope.read"))
    expect(row(page, name)).not_to_contain_text(said("admin.scope.submit"))
    row(page, name).get_by_role("button", name=filled("admin.of", action=said("admin.keys.rotate"), name=name)).click()
    confirm(page, filled("admin.keys.rotate_title", name=name), said("admin.keys.rotate"))
    second = taken(page, made, said("admin.keys.secret"))
    assert second != first
    assert set(answers(stage, first).values()) == {401}
    assert answers(stage, second) == {"read": 200, "submit": 403, "admin": 403}

    # Of the two rows of this name one has ended: it offers nothing.
    revoke = filled("admin.of", action=said("admin.keys.revoke"), name=name)
    page.get_by_role("button", name=revoke).click()
    confirm(page, filled("admin.keys.revoke_title", name=name), said("admin.keys.revoke"))
    expect(page.get_by_role("button", name=revoke)).to_have_count(0)
    expect(row(page, name).filter(has_text=said("admin.keys.revoked"))).not_to_have_count(0)
    assert set(answers(stage, second).values()) == {401}
    page.reload()
    expect(row(page, name)).to_have_count(2)
    assert first not in page.content()
    assert second not in page.content()

    _audited(page, ["key_issued", "key_revoked"], ADMIN)


def _audited(page: Page, actions: list[str], person: Person) -> None:
    """The newest records of these actions bear the person's name, and the whole log holds."""
    page.goto("/admin/audit")
    for action in actions:
        expect(row(page, said(f"audit.actions.{action}")).first).to_contain_text(person.name)
    page.get_by_role("button", name=said("audit.verify")).click()
    expect(page.get_by_role("alert").filter(has_text=re.compile(r"^All [\d,]+ records"))).to_be_visible()


FORMS = {
    "/admin/users": "admin.users.new",
    "/admin/sites": "admin.sites.new",
    "/admin/deliveries": "deliveries.new",
}


@pytest.mark.slow
@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_form_says_what_it_lacks_so_that_all_can_read_it(visit: Visit, path: str, scheme: str) -> None:
    page = visit(path, as_=OPERATOR, color_scheme=scheme)
    page.get_by_role("button", name=said(FORMS[path])).click()
    form = page.get_by_role("dialog", name=said(FORMS[path]))
    form.locator("button[type=submit]").click()
    expect(form.locator('[aria-invalid="true"]').first).to_be_visible()
    settle(page)
    assert not violations(axe(page))
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert not overflowing(page)


@pytest.mark.slow
def test_a_menu_of_actions_works_by_keyboard(visit: Visit) -> None:
    page = visit("/admin/users")
    menu = page.get_by_role("button", name=filled("admin.of", action=said("admin.actions"), name=VIEWER.name))
    menu.press("Enter")
    first = page.get_by_role("menuitem").first
    expect(first).to_be_focused()
    settle(page)
    assert not violations(axe(page))
    first.press("ArrowDown")
    expect(page.get_by_role("menuitem").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()


@pytest.mark.slow
def test_someone_is_let_in_changed_and_put_out(visit: Visit, watch: Watch, stage: Stage) -> None:
    nina = Person("Nina Holm", "nina.holm@example.org", HOSPITAL, Role.SUBMITTER)
    page = visit("/admin/users")
    page.get_by_role("button", name=said("admin.users.new")).click()
    form = page.get_by_role("dialog", name=said("admin.users.new"))
    form.get_by_label(said("admin.users.email")).fill(nina.email)
    form.get_by_label(said("admin.name")).fill(nina.name)
    choice(page, form.get_by_role("combobox", name=said("admin.users.role")), said("words.role.submitter"))
    form.get_by_role("button", name=said("admin.users.add")).click()
    password = taken(page, filled("admin.users.made", name=nina.name), said("admin.users.password"))

    watch.allow("^401: ")
    hers = visit("/login", as_=None)
    sign_in(hers, nina, password)
    menu = hers.get_by_role("navigation")
    sending = menu.get_by_role("link", name=said("menu.submit"), exact=True)
    expect(sending).to_be_visible()

    actions = page.get_by_role("button", name=filled("admin.of", action=said("admin.actions"), name=nina.name))
    users = menu.get_by_role("link", name=said("menu.users"), exact=True)
    for role, seen in ((Role.ADMIN, 1), (Role.VIEWER, 0)):
        called = said(f"words.role.{role.value}")
        actions.click()
        page.get_by_role("menuitem", name=filled("admin.users.make", role=called)).click()
        expect(row(page, nina.email)).to_contain_text(filled("admin.users.role_at", role=called, site=HOSPITAL))
        if not seen:
            # She may do less at once, and nobody touches her page: it is told.
            expect(users).to_have_count(0)
            watch.allow("^403: POST /v1/jobs$")
            assert hers.evaluate(SEND) == 403
        expect(users).to_have_count(seen)
    expect(sending).to_have_count(0)

    actions.click()
    page.get_by_role("menuitem", name=said("admin.users.disable")).click()
    disable = filled("admin.of", action=said("admin.users.disable"), name=nina.name)
    confirm(page, disable, said("admin.users.disable"))
    expect(row(page, nina.email)).to_contain_text(said("admin.users.disabled"))
    assert hers.evaluate("async () => (await fetch('/v1/jobs')).status") == 401
    hers.wait_for_url("**/login**", timeout=AT_ONCE_MS)
    hers.get_by_label(said("login.email")).fill(nina.email)
    hers.get_by_label(said("login.password"), exact=True).fill(password)
    hers.get_by_role("button", name=said("login.submit"), exact=True).click()
    expect(hers.get_by_text(said("problems.sign_in_refused"))).to_be_visible()
    _audited(page, ["user_added", "user_changed"], ADMIN)


SEND = """async () => {
  const session = await (await fetch('/v1/session')).json();
  const form = new FormData();
  form.append('file', new Blob(['x']), 'x.png');
  return (await fetch('/v1/jobs', {method: 'POST', headers: {'X-CSRF-Token': session.csrf_token}, body: form})).status;
}"""


@pytest.mark.slow
def test_a_sites_limit_holds_and_is_told_in_plain_words(visit: Visit, watch: Watch, stage: Stage) -> None:
    ward = "Quota Ward"
    tom = Person("Tom Weir", "tom.weir@example.org", ward, Role.SUBMITTER)
    page = visit("/admin/sites", as_=OPERATOR)
    page.get_by_role("button", name=said("admin.sites.new")).click()
    form = page.get_by_role("dialog", name=said("admin.sites.new"))
    form.get_by_label(said("admin.name")).fill(ward)
    form.get_by_label(said("admin.sites.active_limit")).fill("1")
    form.get_by_role("button", name=said("shell.save")).click()
    expect(row(page, ward)).to_contain_text(filled("admin.sites.jobs_of", used=0, limit=1))
    page.goto("/admin/users")
    page.get_by_role("button", name=said("admin.users.new")).click()
    form = page.get_by_role("dialog", name=said("admin.users.new"))
    form.get_by_label(said("admin.users.email")).fill(tom.email)
    choice(page, form.get_by_role("combobox", name=said("admin.users.role")), said("words.role.submitter"))
    choice(page, form.get_by_role("combobox", name=said("admin.users.site")), ward)
    form.get_by_role("button", name=said("admin.users.add")).click()
    # Without a name pages call him by his address.
    password = taken(page, filled("admin.users.made", name=tom.email), said("admin.users.password"))

    watch.allow("^401: GET /v1/session$")
    watch.allow("^429: POST /v1/jobs$")
    his = visit("/login", as_=None)
    sign_in(his, tom, password)
    his.goto("/submit")
    held = stage.hold_worker(rows=165)
    try:
        choose(his, {"first.png": radiograph(941)})
        first, second = (
            his.locator("article[data-drop]").filter(has_text=f"{name}.png") for name in ("first", "second")
        )
        expect(first.get_by_text(said("submit.job.queued"))).to_be_visible()
        choose(his, {"second.png": radiograph(942)})
        alert = second.get_by_role("alert")
        expect(alert).to_contain_text(said("problems.quota_exceeded"))
        expect(alert).to_contain_text(said("submit.waiting_title"))

        page.goto("/admin/sites")
        expect(row(page, ward)).to_contain_text(filled("admin.sites.jobs_of", used=1, limit=1))
        change = filled("admin.of", action=said("admin.sites.change"), name=ward)
        page.get_by_role("button", name=change).click()
        form = page.get_by_role("dialog", name=change)
        form.get_by_label(said("admin.sites.active_limit")).fill("5")
        form.get_by_role("button", name=said("shell.save")).click()
        expect(row(page, ward)).to_contain_text(re.compile(r"of 5 active jobs"))
        # Nobody sends it again: it goes in when there is room.
        expect(second.get_by_text(said("submit.job.queued"))).to_be_visible(timeout=RESULT_MS)
        expect(alert).to_have_count(0)
    finally:
        stage.marks.let_go()
    for drop in (first, second):
        expect(drop.get_by_role("link", name=said("submit.see_result"))).to_be_visible(timeout=RESULT_MS)
    assert stage.wait(held)["state"] == "succeeded"
