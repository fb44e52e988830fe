//! Who may come in, and how far: every route with every role, by cookie and by token.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use esteira_core::access::Role;
use esteira_core::states::TriggeredBy;
use esteira_runtime::{AccountRequest, Actor, NewToken, Notice, Secret, hash_password};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use world::World;

const PASSWORD: &str = "correct horse";

fn engine() -> Actor {
    Actor::new("test", TriggeredBy::Cli)
}

/// A world with a user of each role, called as their role is.
async fn world() -> World {
    let world = World::new().await;
    let password_hash = hash_password(PASSWORD).unwrap();
    for role in Role::ALL.iter().rev() {
        let request = AccountRequest::CreateUser {
            name: role.to_string(),
            role: *role,
            password_hash: password_hash.clone(),
        };
        world.engine.handle().change_account(request, engine()).await.unwrap();
    }
    world
}

/// Signs in without the page, and gives the secret.
async fn session(world: &World, name: &str) -> String {
    let secret = Secret::generate().unwrap();
    let request = AccountRequest::StartSession {
        user_name: name.to_owned(),
        secret_hash: secret.hash(),
        expires_at: Timestamp::now() + SignedDuration::from_hours(1),
        from: "test".to_owned(),
    };
    world.engine.handle().change_account(request, engine()).await.unwrap();
    secret.text().to_owned()
}

/// A token of a user.
async fn token(world: &World, change: impl FnOnce(&mut NewToken)) -> (String, String) {
    let secret = Secret::generate().unwrap();
    let mut token = NewToken {
        user_name: "user".to_owned(),
        label: "test".to_owned(),
        secret_hash: secret.hash(),
        role: Role::User,
        dag_ids: None,
        expires_at: None,
    };
    change(&mut token);
    let token_id = token.token_id();
    world.engine.handle().change_account(AccountRequest::CreateToken(token), engine()).await.unwrap();
    (secret.text().to_owned(), token_id)
}

/// Sends a request with this header.
async fn ask(world: &World, method: &str, path: &str, head: Option<(&str, String)>) -> Response {
    let mut request = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin");
    if let Some((name, value)) = head {
        request = request.header(name, value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

fn bearer(secret: &str) -> Option<(&'static str, String)> {
    Some(("authorization", format!("Bearer {secret}")))
}

fn cookie(secret: &str) -> Option<(&'static str, String)> {
    Some(("cookie", format!("theme=dark; esteira_session={secret}")))
}

async fn json_of(response: Response) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A route's address with names in it that nothing has.
fn address(route: &str) -> String {
    let parts = route.split('/').map(|part| match part.strip_prefix('{') {
        Some("*rest}") => "of/nothing",
        Some(_) => "nothing",
        None => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn the_table_of_routes_says_who_may_use_each() {
    let lines: Vec<String> = esteira_ui::route_table()
        .into_iter()
        .map(|(method, path, access)| format!("{access:<9} {method:<7} {path}"))
        .collect();
    insta::assert_snapshot!("routes", lines.join("\n"));
}

#[tokio::test]
async fn every_route_is_open_to_its_roles_and_to_nobody_else() {
    let world = world().await;
    let mut secrets = Vec::new();
    for role in Role::ALL {
        secrets.push((*role, session(&world, role.as_str()).await));
    }
    for (method, route, access) in esteira_ui::route_table() {
        let path = address(&route);
        let name = format!("{method} {path}");
        let Some(needs) = Role::from_label(&access) else {
            assert_eq!(access, "public", "{name}");
            continue;
        };
        let is_page_to_see =
            method == "GET" && !["/api/", "/auth/", "/hooks/"].iter().any(|prefix| path.starts_with(prefix));
        let response = ask(&world, &method, &path, None).await;
        if is_page_to_see {
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{name} without signing in");
            let place = response.headers()[header::LOCATION].to_str().unwrap();
            assert!(place.starts_with("/login?next="), "{name}: {place}");
        } else {
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name} without signing in");
        }
        for (role, secret) in &secrets {
            for head in [bearer(secret), cookie(secret)] {
                let status = ask(&world, &method, &path, head).await.status();
                let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                assert_eq!(is_refused, *role < needs, "{name} as {role}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn an_address_that_is_no_route_tells_strangers_nothing() {
    let world = world().await;
    assert_eq!(ask(&world, "GET", "/api/v2/nothing", None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&world, "GET", "/nothing", None).await.status(), StatusCode::SEE_OTHER);
    let viewer = session(&world, "viewer").await;
    for path in ["/api/v2/nothing", "/nothing"] {
        assert_eq!(ask(&world, "GET", path, bearer(&viewer)).await.status(), StatusCode::NOT_FOUND);
    }
    let status = ask(&world, "PUT", "/api/v2/version", None).await.status();
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let status = ask(&world, "PUT", "/api/v2/dags", bearer(&viewer)).await.status();
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_server_without_users_asks_nobody_who_they_are() {
    let world = World::new().await;
    let me = world.json("/api/me").await;
    assert_eq!(
        (&me["name"], &me["role"], &me["credential"]),
        (&json!("anonymous"), &json!("admin"), &json!("none"))
    );
    // What came through a proxy came from elsewhere.
    let forwarded = Some(("x-forwarded-for", "203.0.113.9".to_owned()));
    assert_eq!(
        ask(&world, "GET", "/api/v2/dags", forwarded.clone()).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let response = ask(&world, "GET", "/login", forwarded).await;
    let page = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&page).contains("esteira users create NAME"));
    let (status, page) = world.get("/dags").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("Sign out"), "there is nothing to sign out of");
    let (status, place, _) = world.submit("/login", "username=a&password=b").await;
    assert_eq!((status, place.as_str()), (StatusCode::UNAUTHORIZED, ""));
    let (status, answer) =
        world.send_json("POST", "/auth/token", json!({ "username": "a", "password": "b" })).await;
    assert_eq!((status, answer["access_token"].is_string()), (StatusCode::CREATED, true));
}

#[tokio::test]
async fn a_browser_signs_in_goes_where_it_wanted_to_and_signs_out() {
    let world = world().await;
    let (_, page) = world.get("/login?next=/runs").await;
    assert!(page.contains("name=\"password\"") && page.contains("value=\"/runs\""), "{page}");
    let form = |password: &str, next: &str| {
        format!("username=viewer&password={}&next={next}", password.replace(' ', "+"))
    };
    let (status, _, page) = world.submit("/login", &form("wrong horse", "/runs")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(page.contains("do not belong together") && !page.contains("wrong horse"), "{page}");

    let request = Request::post("/login").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = world.send(request.body(Body::from(form(PASSWORD, "%2Fruns"))).unwrap()).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], "/runs");
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains("Secure"), "{set}");
    let secret = set.split(['=', ';']).nth(1).unwrap().to_owned();

    let response = ask(&world, "GET", "/runs", cookie(&secret)).await;
    let page = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains(">viewer</a></b>") && page.contains("Sign out"), "{page}");

    let response = ask(&world, "POST", "/logout", cookie(&secret)).await;
    assert_eq!(response.headers()[header::LOCATION], "/login");
    assert!(response.headers()[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(ask(&world, "GET", "/runs", cookie(&secret)).await.status(), StatusCode::SEE_OTHER);
    // Somebody else's site is no place to go to.
    let (_, place, _) = world.submit("/login", &form(PASSWORD, "//evil.example")).await;
    assert_eq!(place, "/");
}

#[tokio::test]
async fn who_guesses_passwords_is_slowed_down() {
    let world = world().await;
    let body = |password: &str| json!({ "username": "admin", "password": password });
    for _ in 0..5 {
        let (status, _) = world.send_json("POST", "/auth/token", body("wrong")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let request = Request::post("/auth/token").header(header::CONTENT_TYPE, "application/json");
    let response = world.send(request.body(Body::from(body(PASSWORD).to_string())).unwrap()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "even the right one has to wait");
    assert!(response.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() <= 21);
    let (status, place, page) = world.submit("/login", "username=admin&password=wrong").await;
    assert_eq!((status, place.as_str()), (StatusCode::TOO_MANY_REQUESTS, ""));
    assert!(page.contains("Try again in"), "{page}");
}

#[tokio::test]
async fn a_program_takes_a_token_for_a_password() {
    let world = world().await;
    let body = json!({ "username": "operator", "password": PASSWORD });
    let (status, answer) = world.send_json("POST", "/auth/token", body).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = answer["access_token"].as_str().unwrap();
    let me = json_of(ask(&world, "GET", "/api/me", bearer(secret)).await).await;
    assert_eq!((&me["name"], &me["role"]), (&json!("operator"), &json!("operator")));
    let (status, answer) = world.send_json("POST", "/auth/token", json!({ "username": "operator" })).await;
    assert_eq!(
        (status, &answer["detail"][0]["loc"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!(["body", "password"]))
    );
    let (status, place, text) =
        world.submit("/auth/token/cli", "username=operator&password=correct+horse").await;
    assert_eq!((status, place.as_str()), (StatusCode::CREATED, ""));
    assert!(text.contains("esteira_"), "{text}");
}

#[tokio::test]
async fn a_token_may_no_more_than_it_says_and_ends() {
    let world = world().await;
    let trigger = "/api/v2/dags/pipeline/dagRuns";
    let (viewing, _) = token(&world, |token| token.role = Role::Viewer).await;
    assert_eq!(ask(&world, "GET", trigger, bearer(&viewing)).await.status(), StatusCode::OK);
    assert_eq!(ask(&world, "POST", trigger, bearer(&viewing)).await.status(), StatusCode::FORBIDDEN);

    let (bound, _) = token(&world, |token| token.dag_ids = Some(vec!["pipeline".to_owned()])).await;
    for (path, status) in [
        (trigger, StatusCode::OK),
        ("/api/v2/dags/waiting/dagRuns", StatusCode::FORBIDDEN),
        ("/api/v2/dags/~/dagRuns", StatusCode::FORBIDDEN),
        ("/api/v2/dags", StatusCode::FORBIDDEN),
        ("/api/tokens", StatusCode::FORBIDDEN),
        ("/api/events?dag_id=pipeline", StatusCode::FORBIDDEN),
        ("/api/v2/version", StatusCode::OK),
    ] {
        assert_eq!(ask(&world, "GET", path, bearer(&bound)).await.status(), status, "{path}");
    }

    let (secret, token_id) = token(&world, |_| {}).await;
    assert_eq!(ask(&world, "GET", trigger, bearer(&secret)).await.status(), StatusCode::OK);
    let path = format!("/api/tokens/{token_id}");
    let viewer = session(&world, "viewer").await;
    assert_eq!(ask(&world, "DELETE", &path, bearer(&viewer)).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ask(&world, "DELETE", &path, bearer(&secret)).await.status(), StatusCode::NO_CONTENT);
    let response = ask(&world, "GET", trigger, bearer(&secret)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");

    let ending = Timestamp::now() + SignedDuration::from_millis(300);
    let (ended, _) = token(&world, |token| token.expires_at = Some(ending)).await;
    tokio::time::sleep(std::time::Duration::from_millis(301)).await;
    assert_eq!(ask(&world, "GET", trigger, bearer(&ended)).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_is_shut_out() {
    let world = world().await;
    for path in ["/api/events", "/api/sensors/stream"] {
        let (secret, token_id) = token(&world, |_| {}).await;
        let response = ask(&world, "GET", path, bearer(&secret)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let reading = tokio::spawn(axum::body::to_bytes(response.into_body(), usize::MAX));
        world.engine.handle().change_account(AccountRequest::RevokeToken(token_id), engine()).await.unwrap();
        // It would go on for ever otherwise.
        reading.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn tokens_and_users_are_made_over_the_api() {
    let world = world().await;
    let admin = session(&world, "admin").await;
    let send = async |secret: &str, method: &str, path: &str, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {secret}"));
        let response = world.send(request.body(Body::from(body.to_string())).unwrap()).await;
        (response.status(), json_of(response).await)
    };
    let body = json!({ "name": "maria", "role": "user", "password": PASSWORD });
    let (status, maria) = send(&admin, "POST", "/api/users", body.clone()).await;
    assert_eq!((status, &maria["role"]), (StatusCode::CREATED, &json!("user")));
    assert_eq!(send(&admin, "POST", "/api/users", body).await.0, StatusCode::CONFLICT);
    let bad = json!({ "name": "a b", "role": "king", "password": "short" });
    assert_eq!(send(&admin, "POST", "/api/users", bad).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    let maria = session(&world, "maria").await;
    let (status, token) = send(&maria, "POST", "/api/tokens", json!({ "label": "ci" })).await;
    assert_eq!(
        (status, &token["role"], &token["user"]),
        (StatusCode::CREATED, &json!("user"), &json!("maria"))
    );
    let secret = token["token"].as_str().unwrap().to_owned();
    for body in [
        json!({ "label": "ci", "role": "admin" }),
        json!({ "label": "ci", "user": "admin" }),
        json!({ "label": "" }),
        json!({ "label": "ci", "expires_at": "2020-01-01T00:00:00Z" }),
    ] {
        let (status, answer) = send(&maria, "POST", "/api/tokens", body.clone()).await;
        let refused = [StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY];
        assert!(refused.contains(&status), "{body}: {status} {answer}");
    }
    let (_, own) = send(&maria, "GET", "/api/tokens", Value::Null).await;
    assert_eq!((&own["total_entries"], &own["tokens"][0]["token"]), (&json!(1), &Value::Null));

    // A role that is lost is lost for tokens too, and at once.
    let trigger = "/api/v2/dags/pipeline/dagRuns";
    assert_eq!(send(&secret, "POST", trigger, json!({})).await.0, StatusCode::OK);
    assert_eq!(
        send(&admin, "PATCH", "/api/users/maria", json!({ "role": "viewer" })).await.0,
        StatusCode::OK
    );
    assert_eq!(send(&secret, "POST", trigger, json!({})).await.0, StatusCode::FORBIDDEN);
    // A new password ends the sessions, and the user's end that of the tokens.
    let body = json!({ "password": PASSWORD, "new_password": "battery staple" });
    assert_eq!(send(&maria, "PUT", "/api/me/password", body).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&maria, "GET", trigger, Value::Null).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&secret, "GET", trigger, Value::Null).await.0, StatusCode::OK);
    assert_eq!(send(&admin, "DELETE", "/api/users/maria", Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&secret, "GET", trigger, Value::Null).await.0, StatusCode::UNAUTHORIZED);

    // Somebody is left who can make users.
    for (method, body) in [("DELETE", Value::Null), ("PATCH", json!({ "role": "viewer" }))] {
        let (status, answer) = send(&admin, method, "/api/users/admin", body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    }
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let world = world().await;
    let secret = session(&world, "user").await;
    let send = async |name: &str, value: &str| {
        let request = Request::post("/dags/pipeline/pause")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, format!("esteira_session={secret}"))
            .header(header::HOST, "localhost")
            .header(name, value);
        world.send(request.body(Body::from("is_paused=true")).unwrap()).await.status()
    };
    assert_eq!(send("x-nothing", "x").await, StatusCode::FORBIDDEN, "any page could have sent it");
    assert_eq!(send("origin", "http://evil.example").await, StatusCode::FORBIDDEN);
    assert_eq!(send("sec-fetch-site", "cross-site").await, StatusCode::FORBIDDEN);
    assert_eq!(send("origin", "http://localhost").await, StatusCode::SEE_OTHER);
    assert_eq!(send("sec-fetch-site", "same-origin").await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_history_tells_who_came_in_what_they_did_and_what_was_refused() {
    let world = world().await;
    let viewer = session(&world, "viewer").await;
    let mut notices = world.engine.handle().subscribe();
    let mut next = async |name: &str| loop {
        let Notice::Event(event) = notices.recv().await.unwrap() else { continue };
        if event.name == name {
            return (event.actor.to_string(), serde_json::from_str::<Value>(&event.body).unwrap());
        }
    };
    ask(&world, "GET", "/api/v2/variables", bearer(&viewer)).await;
    let (actor, body) = next("access.refused").await;
    assert_eq!((actor.as_str(), &body["what"]), ("viewer", &json!("GET /api/v2/variables")));
    assert_eq!(body["reason"], "it takes the role operator, and yours is viewer");

    ask(&world, "GET", "/api/v2/dags", bearer("esteira_nothing")).await;
    assert_eq!(next("access.refused").await.1["reason"], "the token is wrong, has ended or was revoked");

    // What was typed in the wrong field is told nowhere.
    world.send_json("POST", "/auth/token", json!({ "username": PASSWORD, "password": "admin" })).await;
    let (_, body) = next("access.refused").await;
    assert_eq!(body["what"], "sign in as an unknown name");

    world.send_json("POST", "/auth/token", json!({ "username": "admin", "password": PASSWORD })).await;
    let (actor, body) = next("session.started").await;
    assert_eq!((actor.as_str(), &body["user"]), ("admin", &json!("admin")));
    assert!(!body.to_string().contains("esteira_"), "{body}");
}

/// Sends a form of a page, signed in with this cookie; gives the status, where it leads and the page.
async fn send_form(world: &World, path: &str, secret: &str, form: &str) -> (StatusCode, String, String) {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", format!("esteira_session={secret}"));
    let response = world.send(request.body(Body::from(form.to_owned())).unwrap()).await;
    let place = response.headers().get(header::LOCATION).map(|place| place.to_str().unwrap().to_owned());
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, place.unwrap_or_default(), String::from_utf8(bytes.to_vec()).unwrap())
}

async fn page_of(world: &World, path: &str, secret: &str) -> String {
    let response = ask(world, "GET", path, cookie(secret)).await;
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_first_user_is_made_on_a_page_and_from_then_on_everybody_signs_in() {
    let world = World::new().await;
    assert!(world.get("/users").await.1.contains("There are no users yet"));
    assert!(world.get("/tokens").await.1.contains("Nobody asks for a token"));
    assert!(world.get("/users/edit").await.1.contains("name=\"role\" value=\"admin\""));
    let form = "is_new=true&name=maria&role=admin&password=correct+horse&again=";
    let (status, _, page) = world.submit("/users/edit", &format!("{form}other+horse")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("The two passwords differ") && page.contains("value=\"maria\""), "{page}");
    assert!(!page.contains("correct horse"), "{page}");
    let (status, place, _) = world.submit("/users/edit", &format!("{form}correct+horse")).await;
    assert_eq!((status, place.as_str()), (StatusCode::SEE_OTHER, "/users?saved=maria"));
    assert_eq!(world.get("/users").await.0, StatusCode::SEE_OTHER, "to the page to sign in");
}

#[tokio::test]
async fn an_admin_makes_changes_and_removes_users_but_not_the_last_admin() {
    let world = world().await;
    let admin = session(&world, "admin").await;
    let form = "is_new=true&name=leo&role=user&password=correct+horse&again=correct+horse";
    assert_eq!(send_form(&world, "/users/edit", &admin, form).await.1, "/users?saved=leo");
    let (status, _, page) = send_form(&world, "/users/edit", &admin, form).await;
    assert!(status == StatusCode::CONFLICT && page.contains("already"), "{page}");
    let form = "is_new=false&name=leo&role=operator&password=&again=";
    assert_eq!(send_form(&world, "/users/edit", &admin, form).await.0, StatusCode::SEE_OTHER);
    assert_eq!(world.engine.handle().accounts().user("leo").unwrap().role, Role::Operator);
    let history = page_of(&world, "/audit?name=user.changed", &admin).await;
    assert!(history.contains("<del>user</del>") && history.contains("<ins>operator</ins>"), "{history}");
    let form = "is_new=false&name=admin&role=viewer&password=&again=";
    let (status, _, page) = send_form(&world, "/users/edit", &admin, form).await;
    assert!(status == StatusCode::CONFLICT && page.contains("last admin"), "{page}");
    let (_, leos) = token(&world, |token| token.user_name = "leo".to_owned()).await;
    let removal = page_of(&world, "/users/remove?name=leo", &admin).await;
    assert!(removal.contains("<b>test</b>"), "{leos}: {removal}");
    assert_eq!(send_form(&world, "/users/remove", &admin, "name=leo").await.1, "/users?removed=leo");
    let (status, _, page) = send_form(&world, "/users/remove", &admin, "name=admin").await;
    assert!(status == StatusCode::CONFLICT && page.contains("last admin"), "{page}");
}

#[tokio::test]
async fn a_token_is_made_on_a_page_shown_once_and_revoked_by_its_owner() {
    let world = world().await;
    let (user, viewer) = (session(&world, "user").await, session(&world, "viewer").await);
    let form = "label=midnight&user=user&role=user&dags=pipeline&days=7";
    let (status, _, made) = send_form(&world, "/tokens/new", &user, form).await;
    assert_eq!(status, StatusCode::OK);
    let start = made.find("esteira_").unwrap();
    let secret: String =
        made[start..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let status = ask(&world, "GET", "/api/v2/dags/pipeline", bearer(&secret)).await.status();
    assert_eq!(status, StatusCode::OK);
    let list = page_of(&world, "/tokens", &user).await;
    assert!(list.contains("midnight") && !list.contains(&secret), "{list}");
    assert!(!page_of(&world, "/tokens", &viewer).await.contains("midnight"), "those of others");
    for (form, text) in [
        ("label=x&user=user&role=admin&days=7", "can do no more"),
        ("label=x&user=admin&role=user&days=7", "can do no more"),
        ("label=x&user=user&role=user&dags=nothing&days=7", "There is no DAG nothing"),
        ("label=&user=user&role=user&days=7", "label has between"),
    ] {
        let (status, _, page) = send_form(&world, "/tokens/new", &user, form).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains(text), "{form}: {page}");
    }
    let tokens = world.engine.handle().accounts().tokens();
    let revoke = format!("id={}", tokens[0].token_id);
    assert_eq!(send_form(&world, "/tokens/revoke", &viewer, &revoke).await.0, StatusCode::NOT_FOUND);
    assert_eq!(send_form(&world, "/tokens/revoke", &user, &revoke).await.1, "/tokens?removed=midnight");
    let status = ask(&world, "GET", "/api/v2/dags/pipeline", bearer(&secret)).await.status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_is_signed_in_changes_their_password_and_stays_signed_in_here_only() {
    let world = world().await;
    let (here, elsewhere) = (session(&world, "user").await, session(&world, "user").await);
    let page = page_of(&world, "/account", &here).await;
    assert!(page.contains("Change the password") && page.contains("start, stop"), "{page}");
    let form = |now: &str, new: &str, again: &str| format!("password={now}&new_password={new}&again={again}");
    for (form, expected) in [
        (form("wrong+horse", "better+horse", "better+horse"), StatusCode::FORBIDDEN),
        (form("correct+horse", "better+horse", "other+horse"), StatusCode::UNPROCESSABLE_ENTITY),
        (form("correct+horse", "short", "short"), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (status, _, page) = send_form(&world, "/account/password", &here, &form).await;
        assert_eq!(status, expected, "{form}: {page}");
        assert!(page.contains("role=\"alert\"") && !page.contains("horse"), "{page}");
    }
    let request = Request::post("/account/password")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", format!("esteira_session={here}"));
    let form = form("correct+horse", "better+horse", "better+horse");
    let response = world.send(request.body(Body::from(form)).unwrap()).await;
    assert_eq!(response.headers()[header::LOCATION], "/account?changed=true");
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let secret = set.split(['=', ';']).nth(1).unwrap().to_owned();
    assert!(page_of(&world, "/account?changed=true", &secret).await.contains("counts from now on"));
    assert_eq!(ask(&world, "GET", "/account", cookie(&elsewhere)).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn tabs_that_one_may_not_see_are_not_shown() {
    let world = world().await;
    for (name, tabs) in [("viewer", 3), ("operator", 5), ("admin", 6)] {
        let secret = session(&world, name).await;
        let page = page_of(&world, "/pools", &secret).await;
        let (_, nav) = page.split_once("<nav class=\"tabs\"").unwrap();
        let (nav, _) = nav.split_once("</nav>").unwrap();
        assert_eq!(nav.matches("<a ").count(), tabs, "{name}: {nav}");
        assert_eq!(page.contains("New pool"), name != "viewer", "{name}");
    }
}
