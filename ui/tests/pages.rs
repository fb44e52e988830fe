//! The pages, against an engine: each answers, says what it should, and escapes what others wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use world::{ASKING, World};

#[tokio::test]
async fn every_page_answers_and_says_what_it_is_about() {
    let world = World::new().await;
    world.run("r1").await;
    let task = "/dags/pipeline/runs/r1/tasks";
    let pages = [
        ("/".to_owned(), "exit code 3"),
        ("/".to_owned(), "href=\"/dags/pipeline/runs/r1/tasks/second\""),
        ("/".to_owned(), "1 failed\""),
        ("/dags".to_owned(), "pipeline"),
        ("/dags?state=failed".to_owned(), "href=\"/dags/pipeline\""),
        ("/dags?state=success".to_owned(), "No DAG fits"),
        ("/dags?owner=maria&page=9".to_owned(), "href=\"/dags/pipeline\""),
        ("/dags?owner=nobody".to_owned(), "No DAG fits"),
        ("/runs?from=2026-01-01&kind=manual".to_owned(), "href=\"/dags/pipeline/runs/r1\""),
        ("/runs?from=2126-01-01".to_owned(), "No runs here"),
        ("/runs?until=2026-01-01T10:30".to_owned(), "No runs here"),
        ("/runs?kind=scheduled".to_owned(), "No runs here"),
        ("/dags?search=MARIA".to_owned(), "href=\"/dags/pipeline\""),
        ("/dags?search=nothing".to_owned(), "No DAG fits"),
        (
            "/dags/pipeline".to_owned(),
            "<a class=c data-s=failed aria-label=\"failed\" href=\"/dags/pipeline/runs/r1/tasks/second\">",
        ),
        ("/dags/pipeline/graph".to_owned(), "<svg class=\"graph\""),
        ("/dags/pipeline/graph?run=r1".to_owned(), "data-s=\"upstream_failed\""),
        ("/dags/pipeline/runs".to_owned(), "href=\"/dags/pipeline/runs/r1\""),
        ("/dags/pipeline/source".to_owned(), "dag_id: pipeline"),
        ("/dags/pipeline/audit".to_owned(), "run.created"),
        ("/dags/pipeline/calendar".to_owned(), "data-s=\"failed\" data-g=\"✕\""),
        ("/dags/pipeline/calendar?year=2031".to_owned(), "No runs were made in this year"),
        ("/dags/pipeline/tasks".to_owned(), "href=\"#task-third\""),
        ("/dags/pipeline/details".to_owned(), "2024-01-01 00:00:00 UTC"),
        ("/dags/pipeline/backfills".to_owned(), "No backfills yet"),
        (
            "/dags/pipeline/backfills?from=2026-02-01&until=2026-02-03&max_active_runs=1".to_owned(),
            "Makes 3 runs",
        ),
        ("/dags/pipeline/backfills?from=2026-02-01&until=soon&max_active_runs=1".to_owned(), "is no time"),
        ("/dags/pipeline/runs?kind=manual&from=2026-01-01".to_owned(), "href=\"/dags/pipeline/runs/r1\""),
        ("/dags/pipeline/runs?until=2026-01-01".to_owned(), "No runs here"),
        ("/dags/waiting".to_owned(), "No runs yet"),
        ("/dags/pipeline/runs/r1".to_owned(), "anonymous, API"),
        ("/dags/pipeline/runs/r1/graph".to_owned(), "<svg class=\"graph\""),
        ("/dags/pipeline/runs/r1/audit".to_owned(), "task.upstream_failed"),
        (format!("{task}/second"), "exit code 3"),
        (format!("{task}/second?panel=true"), "exit code 3"),
        (format!("{task}/third"), "No attempt has begun"),
        (format!("{task}/first?view=xcom"), "return_value"),
        (format!("{task}/first?view=arguments"), "echo 3"),
        (format!("{task}/first?view=events"), "task.succeeded"),
        ("/runs?state=failed&dag=pipeline".to_owned(), "href=\"/dags/pipeline/runs/r1\""),
        ("/runs?state=success".to_owned(), "No runs here"),
        ("/audit?dag=pipeline&run=r1&name=task.failed".to_owned(), "exit code 3"),
        ("/dags/pipeline/runs/r1/rerun".to_owned(), "Clear 4 task instances"),
        ("/dags/pipeline/runs/r1/rerun?only_failed=true".to_owned(), "Clear 2 task instances"),
        (
            "/dags/pipeline/runs/r1/rerun?task=second&action=success".to_owned(),
            "Mark 1 task instance as success",
        ),
        ("/dags/pipeline/runs/r1/rerun?task=nope".to_owned(), "has no task"),
        ("/pools".to_owned(), "default_pool"),
        ("/import-errors".to_owned(), "<mark>bahs</mark>"),
        ("/dags/pipeline/trigger?like=r1".to_owned(), "value=\"3\""),
    ];
    for (address, text) in pages {
        let (status, page) = world.get(&address).await;
        assert_eq!(status, StatusCode::OK, "{address}");
        assert!(page.contains(text), "{address} does not say {text:?}:\n{page}");
        assert!(
            !page.contains(" style=\"") && !page.contains("<b>hello") && !page.contains("why <not>"),
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_time_that_is_none_is_told_of() {
    let world = World::new().await;
    let (status, page) = world.get("/runs?from=yesterday").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("&#34;yesterday&#34; is no time") && page.contains("such as 2026-11-26"), "{page}");
}

#[tokio::test]
async fn buttons_clear_and_mark() {
    let world = World::new().await;
    world.run("r1").await;
    let rerun = "/dags/pipeline/runs/r1/rerun";
    let form = "task=second&action=success&upstream=false&downstream=false&only_failed=false";
    let ((status, place, _), state) = world.until_over("r1", world.submit(rerun, form)).await;
    assert_eq!(
        (status, place.as_str(), state.as_str()),
        (StatusCode::SEE_OTHER, "/dags/pipeline/runs/r1?done=marked&number=1", "success")
    );
}

#[tokio::test]
async fn a_backfill_is_started_paused_and_cancelled_from_its_page() {
    let world = World::new().await;
    let backfills = "/dags/pipeline/backfills";
    let form = "from=2026-02-01&until=2026-02-03&reprocess=none&max_active_runs=1&conf=";
    let (status, place, _) = world.submit(backfills, form).await;
    assert_eq!((status, place.as_str()), (StatusCode::SEE_OTHER, backfills));
    world.submit(&format!("{backfills}/1"), "action=pause").await;
    assert!(world.get(backfills).await.1.contains("value=\"unpause\""));
    world.submit(&format!("{backfills}/1"), "action=cancel").await;
    assert!(world.get(backfills).await.1.contains("cancelled"));
    assert_eq!(world.submit("/dags/waiting/backfills/1", "action=pause").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.submit("/dags/waiting/backfills", form).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_is_not_there_is_said_on_a_page() {
    let world = World::new().await;
    for address in ["/nothing", "/dags/none", "/dags/pipeline/runs/none", "/dags/pipeline/source?version=9"] {
        let (status, page) = world.get(address).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{address}");
        assert!(page.contains("<nav class=\"rail\"") && page.contains("Not found"), "{address}");
    }
}

#[tokio::test]
async fn the_form_starts_a_run_or_says_what_does_not_fit() {
    let world = World::new().await;
    let (status, _, page) =
        world.submit("/dags/pipeline/trigger", "param.limit=many&param.mode=%22fast%22&conf=%5B").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("is no number") && page.contains("value=\"many\"") && page.contains("this is no JSON"),
        "{page}"
    );
    let form = "param.limit=10&param.mode=%22thorough%22&run_id=by-hand&note=why";
    let (status, place, _) = world.submit("/dags/pipeline/trigger", form).await;
    assert_eq!(
        (status, place.as_str()),
        (StatusCode::SEE_OTHER, "/dags/pipeline/runs/by-hand?done=triggered")
    );
    let run = world.json("/api/v2/dags/pipeline/dagRuns/by-hand").await;
    assert_eq!(run["conf"], serde_json::json!({ "mode": "thorough" }), "a default is no conf");
    assert_eq!((run["triggered_by"].as_str(), run["note"].as_str()), (Some("ui"), Some("why")));
}

#[tokio::test]
async fn buttons_do_what_they_say() {
    let world = World::new().await;
    let (status, place, _) = world.submit("/dags/pipeline/pause", "is_paused=true&back=//evil.example").await;
    assert_eq!((status, place.as_str()), (StatusCode::SEE_OTHER, "/dags/pipeline"));
    assert!(world.get("/dags/pipeline").await.1.contains("Unpause"));
    world.submit("/dags/waiting/trigger", "param.reason=x&run_id=w").await;
    let page = world.get("/dags/waiting/runs/w").await.1;
    assert!(page.contains("Cancel this run"), "{page}");
    let (status, _, _) = world.submit("/dags/waiting/runs/w/cancel", "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (status, place, _) = world.submit("/audit/verify", "").await;
    assert_eq!((status, place.as_str()), (StatusCode::SEE_OTHER, "/audit"));
}

#[tokio::test]
async fn a_log_is_read_on_and_downloaded() {
    let world = World::new().await;
    world.run("r1").await;
    let task = "/dags/pipeline/runs/r1/tasks/first";
    let page = world.json(&format!("{task}/log?try=1&from=0&count=10")).await;
    assert_eq!((&page["lines"][0]["text"], &page["lines"][0]["number"]), (&"<b>hello</b>".into(), &1.into()));
    let total = page["total"].as_u64().unwrap();
    assert_eq!((page["lines"].as_array().unwrap().len() as u64, &page["is_open"]), (total, &false.into()));
    let rest = world.json(&format!("{task}/log?try=1&from={total}&count=10&wait=true")).await;
    assert_eq!(rest["lines"], serde_json::json!([]));
    let picked = world.json(&format!("{task}/log?try=1&lines=1,7000")).await;
    assert_eq!((picked["lines"].as_array().unwrap().len(), &picked["lines"][0]["text"]), (1, &"3".into()));
    let found = world.json(&format!("{task}/log/search?try=1&q=HELLO")).await;
    assert_eq!(found, serde_json::json!({"lines": [0], "next": total, "is_at_end": true}));
    let found = world.json(&format!("{task}/log/search?try=1&level=error")).await;
    assert_eq!(found["lines"], serde_json::json!([]));
    let (_, shown) = world.get(&format!("{task}?line=2")).await;
    assert!(shown.contains("<div class=\"line at\" data-level=\"info\" id=\"L2\">"), "{shown}");
    let (status, text) = world.get(&format!("{task}/log.txt?try=1")).await;
    assert!(status == StatusCode::OK && text.contains("INFO    <b>hello</b>\n"), "{text}");
    let (status, _) = world.get("/dags/pipeline/runs/r1/tasks/..%2F..%2Ffirst/log?try=1").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn static_files_and_headers_keep_browsers_safe() {
    let world = World::new().await;
    let response = world.send(Request::get("/dags").body(Body::empty()).unwrap()).await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = world.get("/dags").await.1;
    let sheet = page.split('"').find(|text| text.ends_with("/app.css")).unwrap().to_owned();
    let response = world.send(Request::get(&sheet).body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
    let tag = response.headers()["etag"].clone();
    let again = Request::get(&sheet).header("if-none-match", tag).body(Body::empty()).unwrap();
    assert_eq!(world.send(again).await.status(), StatusCode::NOT_MODIFIED);
    let (status, _) = world.get("/static/x/../../Cargo.toml").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_question_is_answered_on_the_page_of_its_task() {
    let world = World::with(&[("asking", ASKING)]).await;
    assert!(world.get("/actions").await.1.contains("Nothing waits for an answer"));
    world.until_asked("asking", "r1").await;
    let (_, list) = world.get("/actions").await;
    assert!(list.contains("May &#60;b&#62;it&#60;/b&#62; be published?"), "{list}");
    assert!(list.contains("href=\"/dags/asking/runs/r1/tasks/ask?try=1\""), "{list}");
    assert!(list.contains("<span class=\"count calm\">1</span>"), "{list}");
    let page = "/dags/asking/runs/r1/tasks/ask";
    let (_, form) = world.get(page).await;
    for text in ["awaiting input", "The title", "value=\"7\"", "value=\"Publish\"", "that counts as Wait"] {
        assert!(form.contains(text), "{text}: {form}");
    }
    let answer = format!("{page}/answer");
    let (status, _, wrong) = world.submit(&answer, "option=Publish&param.title=no&param.days=9").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.contains("is shorter than 3") && wrong.contains("value=\"9\""), "{wrong}");
    let (status, _, wrong) = world.submit(&answer, "option=Sell&param.title=Air").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.contains("is no option"), "{wrong}");
    let fits = world.submit(&answer, "option=Publish&param.title=Air&param.days=9");
    let ((status, place, _), state) = world.until_over("r1", fits).await;
    assert_eq!((status, place.as_str(), state.as_str()), (StatusCode::SEE_OTHER, page, "success"));
    let (_, answered) = world.get(page).await;
    assert!(answered.contains("<b>Publish</b> <span class=\"muted\">by anonymous"), "{answered}");
    assert_eq!(world.submit(&answer, "option=Publish&param.title=Air").await.0, StatusCode::CONFLICT);
    assert!(world.get("/actions").await.1.contains("Lately"));
}

#[tokio::test]
async fn the_page_of_questions_says_how_many_more_there_are() {
    let subjects: Vec<String> = (0..203).map(|number| format!("Question {number}")).collect();
    let many = format!(
        "dag_id: many\nmax_active_tasks: 300\n\
         tasks: {{ask: {{operator: hitl, expand: {{subject: {subjects:?}}}, with: {{options: [Yes, No]}}}}}}\n"
    );
    let world = World::with(&[("many", &many)]).await;
    world.until_asked_by(203, "many", "r1").await;
    let (_, list) = world.get("/actions").await;
    assert_eq!(list.matches("class=\"name\" href=\"/dags/many/").count(), 200);
    assert!(list.contains("and 3 older, which come into view as these are answered"), "{list}");
}

#[tokio::test]
async fn each_person_chooses_language_and_time_zone() {
    let world = World::new().await;
    world.run("r1").await;
    let (status, text) = world.get("/preferences").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("America/Sao_Paulo") && text.contains("Português"));
    let form = "language=pt-BR&zone=America%2FSao_Paulo&theme=dark&back=%2Fruns";
    let request =
        Request::post("/preferences").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.send(request.body(Body::from(form)).unwrap()).await;
    assert_eq!(
        (answer.status(), &answer.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/runs".parse().unwrap())
    );
    let cookies: Vec<String> = answer
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned())
        .collect();
    assert_eq!(cookies, ["language=pt-BR", "zone=America%2FSao_Paulo", "theme=dark"]);
    let request = Request::get("/dags/pipeline/runs/r1").header(header::COOKIE, cookies.join("; "));
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let page = String::from_utf8(bytes.to_vec()).unwrap();
    for expected in [
        "<html lang=\"pt-BR\"",
        "data-time-zone=\"America/Sao_Paulo\"",
        "Execuções",
        ">falhou<",
        " -03\">agora mesmo<",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    let (status, _, text) =
        world.submit("/preferences", "language=en&zone=Nowhere&theme=&back=//evil.example").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("There is no time zone Nowhere"), "{text}");
    let (_, place, _) = world.submit("/preferences", "language=en&zone=UTC&theme=&back=//evil.example").await;
    assert_eq!(place, "/preferences");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_of_a_closed_group_shows_what_all_its_tasks_did() {
    const GROUPED: &str = "dag_id: grouped\ntask_groups:\n  load:\n    tasks:\n      a: {operator: empty}\n      \
        b: {operator: empty, depends_on: a}\n      c: {operator: empty, depends_on: b}\ntasks: {}\n";
    let world = World::with(&[("grouped", GROUPED)]).await;
    let body = serde_json::json!({ "dag_run_id": "r1" });
    let sent = world.send_json("POST", "/api/v2/dags/grouped/dagRuns", body);
    assert_eq!(world.until_over("r1", sent).await.1, "success");
    let (_, page) = world.get("/dags/grouped/runs/r1/gantt").await;
    assert!(!page.contains("load.a"), "the group is closed: {page}");
    assert_eq!(page.matches("class=\"ran\" data-s=\"success\" x=").count(), 3, "{page}");
}

/// A task of 700 instances in a group.
const MANY: &str = "dag_id: many
params: {numbers: {type: array, default: []}}
max_active_tasks: 100
task_groups:
  each: {expand: {n: \"{{ params.numbers }}\"}, tasks: {one: {operator: empty}}}
tasks:
  last: {operator: empty, depends_on: each}
";

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_of_a_large_mapped_task_is_reached_in_the_chart() {
    let world = World::with(&[("many", MANY)]).await;
    let numbers: Vec<u32> = (0..700).collect();
    let body = serde_json::json!({ "dag_run_id": "r1", "conf": { "numbers": numbers } });
    let (_, state) = world.until_over("r1", world.send_json("POST", "/api/v2/dags/many/dagRuns", body)).await;
    assert_eq!(state, "success");
    let run = "/dags/many/runs/r1";
    let (_, closed) = world.get(&format!("{run}/gantt")).await;
    assert!(!closed.contains("each.one") && !closed.contains("class=\"pager\""), "{closed}");
    let mut seen = Vec::new();
    for (from, shown) in [(0, "1–300 of 703"), (300, "301–600 of 703"), (600, "601–703 of 703")] {
        let (_, page) = world.get(&format!("{run}/gantt?open=each,each.one&from={from}")).await;
        assert!(page.contains(shown), "{shown}: {page}");
        let parts = page.split(">each.one [").skip(1);
        seen.extend(parts.map(|part| part.split(']').next().unwrap().parse::<u32>().unwrap()));
    }
    assert_eq!(seen, numbers);
    let (_, graph) = world.get(&format!("{run}/graph?critical=1")).await;
    let link = "href=\"/dags/many/runs/r1?task=each.one\"";
    let node = graph.split("<a class=\"node critical\"").find(|node| node.contains(link)).unwrap();
    assert!(node.contains("data-s=\"success\""), "{node}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_said_where_one_comes_to() {
    let world = World::new().await;
    world.run("a+b").await;
    let (status, place, _) = world.submit("/dags/pipeline/runs/a+b/delete", "").await;
    assert_eq!(
        (status, place.as_str()),
        (StatusCode::SEE_OTHER, "/dags/pipeline/runs?done=deleted&deleted=a%2Bb")
    );
    let (_, page) = world.get(&place).await;
    assert!(page.contains("role=\"status\">Deleted the run a+b. "), "{page}");
}
