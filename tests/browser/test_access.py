"""Who comes in, what a role shows and the API refuses, and that another Site's job does not exist."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core.version import VERSION
from tests.browser.catalogue import pattern, said
from tests.browser.conftest import Visit, sign_in
from tests.browser.stage import ADMIN, OPERATOR, SUBMITTER, VIEWER, Person, Stage, radiograph
from tests.browser.survey import settle
from tests.browser.watch import Watch

NOT_SIGNED_IN = "^401: GET /v1/session$"
# In the foot.
RELEASE = f"{said('shell.product')} {VERSION}"


def test_signing_in_leads_to_the_page_that_was_wanted_and_out_again(visit: Visit, watch: Watch) -> None:
    watch.allow(NOT_SIGNED_IN)
    page = visit("/jobs?state=dead", as_=None)
    page.wait_for_url("**/login?**")
    watch.allow("^401: POST /v1/session$")
    expect(page.get_by_text(RELEASE)).to_be_visible()
    page.get_by_label(said("login.email")).fill(VIEWER.email)
    page.get_by_label(said("login.password"), exact=True).fill("not the password at all")
    page.get_by_role("button", name=said("login.submit"), exact=True).click()
    expect(page.get_by_role("alert").first).to_be_visible()
    assert "/login" in page.url
    page.get_by_label(said("login.password"), exact=True).fill("a sentence that only tests may know")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs?state=dead")
    expect(page.get_by_role("contentinfo").get_by_text(RELEASE)).to_be_visible()
    page.get_by_role("button", name=said("shell.nav.account"), exact=True).click()
    page.get_by_role("menuitem", name=said("shell.sign_out")).click()
    page.wait_for_url("**/login**")
    page.go_back()
    page.wait_for_url("**/login**")
    assert page.get_by_role("navigation").count() == 0


SHOWN = {
    VIEWER: ["jobs", "studies", "batches", "models"],
    SUBMITTER: ["submit", "jobs", "studies", "batches", "models"],
}
HIDDEN = ["overview", "workers", "dead", "drift", "deliveries", "sites", "users", "keys", "audit"]


@pytest.mark.parametrize("person", SHOWN, ids=lambda person: person.role)
def test_a_role_sees_its_pages_and_no_others(person: Person, visit: Visit, watch: Watch) -> None:
    watch.allow("^403: GET /v1/")
    page = visit("/jobs", as_=person)
    menu = page.get_by_role("navigation")
    shown = SHOWN[person]
    for name in ["submit", *HIDDEN, *shown]:
        link = menu.get_by_role("link", name=said(f"menu.{name}"), exact=True)
        expect(link).to_have_count(1 if name in shown else 0)
    # By its address such a page opens, and holds nothing.
    page.goto("/admin/users")
    expect(page.get_by_role("main")).not_to_contain_text(ADMIN.email)
    expect(
        page.get_by_text(said("shell.forbidden")).or_(page.get_by_text(said("problems.forbidden"))).first
    ).to_be_visible()


def test_a_viewer_may_look_but_neither_submit_cancel_nor_retry(visit: Visit, watch: Watch, stage: Stage) -> None:
    watch.allow("^403: POST /v1/jobs")
    job = stage.done(radiograph(920))
    page = visit("/submit", as_=VIEWER)
    expect(page.get_by_text(said("submit.not_allowed"))).to_be_visible()
    expect(page.get_by_test_id("files")).to_have_count(0)
    page.goto(f"/jobs/{job}")
    expect(page.locator('[data-state="succeeded"]').first).to_be_visible()
    answers = page.evaluate(ATTEMPTS, job)
    assert answers == [403, 403, 403], answers


# What a page would send, with the session's own token: the role is what refuses it.
ATTEMPTS = """async (job) => {
  const session = await (await fetch('/v1/session')).json();
  const headers = {'X-CSRF-Token': session.csrf_token};
  const form = new FormData();
  form.append('file', new Blob(['x']), 'x.png');
  const sent = [fetch('/v1/jobs', {method: 'POST', headers, body: form}),
    fetch(`/v1/jobs/${job}/cancel`, {method: 'POST', headers}),
    fetch(`/v1/jobs/${job}/retry`, {method: 'POST', headers})];
  return (await Promise.all(sent)).map((answer) => answer.status);
}"""


def test_another_sites_job_is_a_page_that_does_not_exist(visit: Visit, watch: Watch, stage: Stage) -> None:
    theirs = stage.give(radiograph(921), client=stage.elsewhere)
    watch.allow(f"^404: GET /v1/jobs/{theirs}")
    for path in (f"/jobs/{theirs}", f"/jobs/{theirs}/view"):
        page = visit(path)
        expect(
            page.get_by_text(pattern("problems.not_found")).or_(page.get_by_text(said("shell.not_found"))).first
        ).to_be_visible()
        expect(page.get_by_role("main")).not_to_contain_text("fracture")


def test_an_operator_of_another_site_sees_its_own_site_alone(visit: Visit, watch: Watch, stage: Stage) -> None:
    theirs = stage.give(radiograph(922), client=stage.elsewhere)
    watch.allow(f"^404: GET /v1/jobs/{theirs}")
    page = visit(f"/jobs/{theirs}", as_=OPERATOR)
    expect(
        page.get_by_text(pattern("problems.not_found")).or_(page.get_by_text(said("shell.not_found"))).first
    ).to_be_visible()


def test_a_session_that_ends_elsewhere_leads_to_the_sign_in_page(visit: Visit, watch: Watch, stage: Stage) -> None:
    watch.allow("^401: ")
    page = visit("/login", as_=None)
    sign_in(page, SUBMITTER)
    studies = page.get_by_role("link", name=said("menu.studies"), exact=True)
    expect(studies).to_be_visible()
    settle(page)
    page.context.clear_cookies()
    studies.click()
    page.wait_for_url("**/login**")
    expect(page.get_by_label(said("login.email"))).to_be_visible()
