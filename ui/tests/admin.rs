//! The pages of Admin and of assets: forms that take and refuse, what is told before something is removed, and what is told
//! after.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::http::StatusCode;
use esteira_store::EventFilter;
use serde_json::Value;
use world::World;

/// The body of the newest event with this name.
async fn newest(world: &World, name: &str) -> Value {
    let filter = EventFilter { name: Some(name.to_owned()), ..EventFilter::default() };
    let events = world.engine.handle().reader().events(&filter, 1).await.unwrap().rows;
    serde_json::from_str(&events.first().unwrap_or_else(|| panic!("no event {name}")).body).unwrap()
}

/// A page that is there and says all this.
async fn says(world: &World, address: &str, texts: &[&str]) -> String {
    let (status, page) = world.get(address).await;
    assert_eq!(status, StatusCode::OK, "{address}");
    for text in texts {
        assert!(page.contains(text), "{address} does not say {text:?}:\n{page}");
    }
    page
}

/// A form that is taken, and where it leads.
async fn taken(world: &World, address: &str, form: &str) -> String {
    let (status, place, page) = world.submit(address, form).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{address} {form}:\n{page}");
    place
}

/// A form that is refused with this status, and says all this.
async fn refused(world: &World, address: &str, form: &str, status: StatusCode, texts: &[&str]) -> String {
    let (found, _, page) = world.submit(address, form).await;
    assert_eq!(found, status, "{address} {form}:\n{page}");
    for text in texts {
        assert!(page.contains(text), "{address} {form} does not say {text:?}:\n{page}");
    }
    page
}

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

const NARROW: &str = "dag_id: narrowed\ntasks:\n  one: {operator: empty, pool: narrow}\n";

#[tokio::test]
async fn a_pool_is_made_changed_and_removed_and_the_history_has_what_was_before() {
    let world = World::with(&[("narrowed", NARROW)]).await;
    let place = taken(&world, "/pools/edit", "is_new=true&name=narrow&slots=3&description=few").await;
    assert_eq!(place, "/pools?saved=narrow");
    says(&world, &place, &["href=\"/pools/of/narrow\"", ">3</td>", "Saved"]).await;
    // What is typed wrong comes back, and nothing changes.
    let wrong = "is_new=false&name=narrow&slots=many&description=%3Cb%3E";
    let page =
        refused(&world, "/pools/edit", wrong, UNPROCESSABLE, &["is no number of slots", "value=\"many\""])
            .await;
    assert!(!page.contains("<b>\""), "{page}");
    refused(&world, "/pools/edit", "is_new=true&name=narrow&slots=1", UNPROCESSABLE, &["already"]).await;
    taken(&world, "/pools/edit", "is_new=false&name=narrow&slots=&description=any").await;
    let event = newest(&world, "pool.set").await;
    assert_eq!((&event["before"]["slots"], &event["slots"]), (&3.into(), &Value::Null));

    says(&world, "/pools/of/narrow", &["narrowed", "Nobody at the moment"]).await;
    says(&world, "/pools/remove?name=narrow", &["narrowed", "Remove the pool narrow?"]).await;
    assert_eq!(taken(&world, "/pools/remove", "name=narrow").await, "/pools?removed=narrow");
    assert_eq!(newest(&world, "pool.removed").await["before"]["description"], "any");
    assert_eq!(world.get("/pools/of/narrow").await.0, StatusCode::NOT_FOUND);
    refused(&world, "/pools/remove", "name=default_pool", UNPROCESSABLE, &["cannot be removed"]).await;
}

#[tokio::test]
async fn a_pool_says_who_holds_its_slots_and_who_waits() {
    let world = World::new().await;
    let trigger = |run_id: &str| format!("param.reason=x&run_id={run_id}");
    taken(&world, "/pools/edit", "is_new=false&name=default_pool&slots=1").await;
    for run_id in ["w1", "w2"] {
        taken(&world, "/dags/waiting/trigger", &trigger(run_id)).await;
    }
    let pool = world.until_said("/pools/of/default_pool", "the only slot of the pool").await;
    assert!(pool.contains("/dags/waiting/runs/w1/tasks/wait"), "{pool}");
    assert!(pool.contains("/dags/waiting/runs/w2/tasks/wait"), "{pool}");
    says(&world, "/pools", &["1 slots in use, 1 waited for"]).await;
}

const MAKER: &str = "dag_id: maker\ntasks:\n  load: {operator: empty, outlets: ['s3://air/raw']}\n";
const READER: &str =
    "dag_id: reader\nschedule: {assets: {all: ['s3://air/raw', other]}}\ntasks:\n  read: {operator: empty}\n";

#[tokio::test]
async fn an_asset_shows_what_is_around_it_and_can_be_updated_and_made() {
    let world = World::with(&[("maker", MAKER), ("reader", READER)]).await;
    let page = "/assets/s3%3A%2F%2Fair%2Fraw";
    says(&world, "/assets", &["s3://air/raw", "href=\"/dags/maker\"", "href=\"/dags/reader\"", "never"])
        .await;
    says(&world, "/assets?search=nothing", &["No assets here"]).await;
    says(&world, page, &["<svg class=\"graph\"", "It was never updated", "Run maker"]).await;
    assert_eq!(world.get("/assets/nothing").await.0, StatusCode::NOT_FOUND);
    let update = format!("{page}/update");
    refused(&world, &update, "extra=%5B1%5D", UNPROCESSABLE, &["is a JSON object", "[1]"]).await;
    let place = taken(&world, &update, "extra=%7B%22rows%22%3A12%7D").await;
    says(&world, &place, &["have been told", "{&#34;rows&#34;:12}", "from outside"]).await;
    let place = taken(&world, &format!("{page}/materialize"), "dag=maker").await;
    assert!(place.starts_with("/dags/maker/runs/"), "{place}");
    let (status, _, _) = world.submit(&format!("{page}/materialize"), "dag=reader").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it does not make it");
    world.until_said(page, "maker › load").await;
}

const USING: &str = "dag_id: using
tasks:
  one: {operator: bash, with: {bash_command: \"echo {{ var.value.limit }}\"}}
  two: {operator: redis, with: {connection: cellar, command: [PING]}}
";

#[tokio::test]
async fn a_variable_is_made_changed_and_removed_and_a_secret_is_never_shown() {
    let world = World::with(&[("using", USING)]).await;
    says(&world, "/variables", &["No variables here"]).await;
    let place =
        taken(&world, "/variables/edit", "is_new=true&key=limit&value=12%0D%0A&description=rows").await;
    says(&world, &place, &["href=\"/variables/edit?key=limit\"", ">12", "Saved"]).await;
    says(&world, "/variables?search=nothing", &["No variables here"]).await;
    let twice = "is_new=true&key=limit&value=13";
    refused(&world, "/variables/edit", twice, UNPROCESSABLE, &["already", ">13</textarea>"]).await;
    refused(&world, "/variables/edit", "is_new=true&key=a+b&value=x", UNPROCESSABLE, &["cannot name"]).await;

    // A secret: neither in the list, nor in the form, nor in the history, nor in a file.
    taken(&world, "/variables/edit", "is_new=true&key=pin&value=hunter22&is_secret=true").await;
    taken(&world, "/variables/edit", "is_new=true&key=api_token&value=hunter33").await;
    for address in ["/variables", "/variables/edit?key=pin", "/variables/export", "/audit?name=variable."] {
        let (_, page) = world.get(address).await;
        assert!(!page.contains("hunter"), "{address}: {page}");
    }
    // Left empty it stays; it is not unveiled by a tick taken away.
    taken(&world, "/variables/edit", "is_new=false&key=pin&value=&is_secret=true&description=x").await;
    assert_eq!(newest(&world, "variable.set").await["has_new_value"], false);
    assert_eq!(world.engine.handle().vault().variable("pin").unwrap().as_deref(), Some("hunter22"));
    let unveil = "is_new=false&key=pin&value=&description=x";
    refused(&world, "/variables/edit", unveil, UNPROCESSABLE, &["type the value anew"]).await;

    says(&world, "/variables/remove?key=limit", &["href=\"/dags/using\"", "Remove the variable limit?"])
        .await;
    taken(&world, "/variables/remove", "key=limit").await;
    assert_eq!(world.get("/variables/edit?key=limit").await.0, StatusCode::NOT_FOUND);
    let form = "document=%7B%22limit%22%3A+7%2C+%22a+b%22%3A+1%7D";
    refused(&world, "/variables/import", form, UNPROCESSABLE, &["cannot name"]).await;
    let place = taken(&world, "/variables/import", "document=%7B%22limit%22%3A+7%7D").await;
    says(&world, &place, &[">7<", "1 variables"]).await;
    let exported = world.get("/variables/export").await.1;
    assert!(exported.contains("\"limit\"") && !exported.contains("api_token"), "{exported}");
}

#[tokio::test]
async fn a_connection_is_made_tried_out_and_removed_and_its_password_stays_inside() {
    let world = World::with(&[("using", USING)]).await;
    says(&world, "/connections", &["kafka_default", "built in", "Embedded twin"]).await;
    says(&world, "/connections/edit", &["href=\"/connections/edit?type=redis\"", "to what?"]).await;
    says(&world, "/connections/edit?type=s3", &["access key", "secret key", "region=us-east-1"]).await;
    let wrong = "is_new=true&id=cellar&conn_type=redis&host=h&port=many&password=hunter22";
    let page =
        refused(&world, "/connections/edit", wrong, UNPROCESSABLE, &["is no port", "type it again"]).await;
    assert!(!page.contains("hunter22") && page.contains("value=\"many\""), "{page}");

    // Nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let form = format!("id=cellar&conn_type=smtp&host=127.0.0.1&port={closed}&login=ana&password=hunter22");
    let (status, _, page) =
        world.submit("/connections/edit", &format!("is_new=true&is_test=true&{form}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("refused the connection") && !page.contains("hunter22"), "{page}");
    assert_eq!(world.get("/connections/remove?id=cellar").await.0, StatusCode::NOT_FOUND, "nothing is kept");

    let place = taken(&world, "/connections/edit", &format!("is_new=true&{form}&description=cold")).await;
    let list = says(&world, &place, &["cellar", "cold", &format!("127.0.0.1:{closed}")]).await;
    assert!(!list.contains("hunter22"));
    let page = says(&world, "/connections/edit?id=cellar", &["value=\"ana\"", "stays as it is"]).await;
    assert!(!page.contains("hunter22"), "{page}");
    let change = format!("is_new=false&{}&options=timeout%3D1s", form.replace("hunter22", ""));
    taken(&world, "/connections/edit", &change).await;
    let event = newest(&world, "connection.set").await;
    assert_eq!((&event["has_new_secret"], event["before"]["url"].is_string()), (&false.into(), true));
    assert!(!event.to_string().contains("hunter22"), "{event}");
    let (status, _, page) = world.submit("/connections/test", "id=cellar").await;
    assert!(status == StatusCode::OK && page.contains("The test failed"), "{page}");
    let (_, _, page) = world.submit("/connections/test", "id=redis_default").await;
    assert!(page.contains("The service answers"), "{page}");

    says(&world, "/connections/remove?id=cellar", &["href=\"/dags/using\"", "fail from then on"]).await;
    taken(&world, "/connections/remove", "id=cellar").await;
    assert_eq!(newest(&world, "connection.removed").await["connection_id"], "cellar");
}

#[tokio::test]
async fn the_history_reads_as_sentences_and_is_narrowed_down_by_its_address() {
    let world = World::new().await;
    world.run("r1").await;
    taken(&world, "/pools/edit", "is_new=true&name=narrow&slots=3&description=few").await;
    taken(&world, "/pools/edit", "is_new=false&name=narrow&slots=5&description=few").await;
    let page = says(
        &world,
        "/audit?name=pool.",
        &["changed the pool narrow", "href=\"/pools/of/narrow\"", "<del>3</del>", "<ins>5</ins>"],
    )
    .await;
    assert!(!page.contains("triggered the run"), "{page}");
    says(&world, "/audit?by=people", &["triggered the run", "anonymous", "API", "set the pool narrow"]).await;
    let page = world.get("/audit?by=people").await.1;
    assert!(!page.contains("has begun"), "that was the engine: {page}");
    says(&world, "/audit?dag=pipeline&run=r1&task=second", &["attempt 1 has failed: ", "exit code 3"]).await;
    says(&world, "/audit?dag=pipeline&run=gone", &["No events here"]).await;
    says(&world, "/audit?from=2020-01-01&until=2020-01-02T10:00", &["No events here"]).await;
    says(&world, "/audit?from=2020-01-01", &["triggered the run"]).await;
    for (address, text) in [("/audit?run=r1", "name that too"), ("/audit?from=soon", "is no time")] {
        let (status, page) = world.get(address).await;
        assert!(status == UNPROCESSABLE && page.contains(text), "{address}: {page}");
    }

    // What several task instances have in common is one row.
    let form = "upstream=false&downstream=false&only_failed=false&action=clear";
    world.until_over("r1", taken(&world, "/dags/pipeline/runs/r1/rerun", form)).await;
    says(&world, "/audit?name=task.cleared", &["cleared 4 task instances", "/tasks/third"]).await;
}

#[tokio::test]
async fn the_history_is_read_page_by_page_and_sent_as_a_file() {
    let world = World::new().await;
    for slots in 0..130 {
        taken(&world, "/pools/edit", &format!("is_new=false&name=p&slots={slots}")).await;
    }
    let first = says(&world, "/audit?name=pool.", &["Older ›"]).await;
    assert!(!first.contains("‹ Newer"), "{first}");
    let link = |page: &str, relation: &str| {
        let end = page.find(&format!("\" rel=\"{relation}\"")).unwrap();
        let start = page[..end].rfind('"').unwrap() + 1;
        page[start..end].replace("&#38;", "&")
    };
    let second = says(&world, &link(&first, "next"), &["‹ Newer", "<ins>1</ins>"]).await;
    assert!(!second.contains("Older ›"), "{second}");
    let again = world.get(&link(&second, "prev")).await.1;
    assert!(again.contains("<ins>129</ins>") && again.contains("Older ›"), "{again}");

    let lines = world.get("/audit/export?name=pool.&format=jsonl").await.1;
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((events.len(), &events[0]["body"]["slots"]), (130, &129.into()));
    let all = world.get("/audit/export").await.1;
    let count = world.engine.handle().reader().event_count().await.unwrap();
    assert_eq!(all.lines().count() as u64, count);
    let table = world.get("/audit/export?name=pool.&format=csv").await.1;
    assert!(table.starts_with("seq,at,event,") && table.lines().count() == 131, "{table}");
    assert!(table.contains("\"{\"\"name\"\":"), "{table}");
}

#[tokio::test]
async fn the_history_is_verified_when_somebody_asks_and_the_page_says_what_was_found() {
    let world = World::new().await;
    says(&world, "/audit", &["not verified", "Verify now"]).await;
    taken(&world, "/audit/verify", "").await;
    says(&world, "/audit", &["one unbroken chain", "anonymous"]).await;
    taken(&world, "/pools/edit", "is_new=true&name=p&slots=1").await;
    says(&world, "/audit", &["1 event since"]).await;
}
