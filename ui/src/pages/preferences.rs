//! What each person chooses for their own browser: language, time zone, theme. The choices stand in cookies.

use super::commands::is_own_path;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::locale::{self, LANGUAGE_COOKIE, Language, ZONE_COOKIE};
use crate::{t, t1};
use askama::Template;
use axum::Form;
use axum::extract::Query;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

/// How long a choice is kept: a year, in seconds.
const KEPT: u32 = 31_536_000;

#[derive(Template)]
#[template(path = "preferences.html")]
struct PreferencesPage {
    frame: Frame,
    languages: [Language; 2],
    zone: String,
    zones: Vec<String>,
    back: String,
    fault: Option<String>,
}

/// Where somebody comes from.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    back: String,
}

/// What somebody chooses.
#[derive(Debug, Deserialize)]
pub(crate) struct Chosen {
    language: String,
    zone: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    back: String,
}

pub(crate) async fn page(visitor: Visitor, Query(wanted): Query<Wanted>) -> Response {
    let zone = locale::with(|locale| locale.zone_name().to_owned());
    show(&visitor, wanted.back, zone, None)
}

fn show(visitor: &Visitor, back: String, zone: String, fault: Option<String>) -> Response {
    let mut zones: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    zones.sort();
    frame::html(&PreferencesPage {
        frame: visitor.frame(Section::None, t("Preferences")).crumb(t("Preferences"), ""),
        languages: Language::ALL,
        zone,
        zones,
        back,
        fault,
    })
}

/// Keeps the choices, and goes back to where somebody came from.
pub(crate) async fn save(visitor: Visitor, Form(chosen): Form<Chosen>) -> Result<Response, PageError> {
    let Some(language) = Language::of_tag(&chosen.language) else {
        return Err(PageError::bad_request(format!("there is no language \"{}\" here", chosen.language)));
    };
    let zone = chosen.zone.trim();
    let Some(known) = locale::zone_named(zone) else {
        let fault = t1("There is no time zone {}: it is one of the list, such as America/Sao_Paulo", zone);
        return Ok(show(&visitor, chosen.back, zone.to_owned(), Some(fault)));
    };
    let zone = known.iana_name().unwrap_or("UTC").replace('/', "%2F");
    // What is chosen as the system has it is no choice.
    let (theme, kept) = match chosen.theme.as_str() {
        theme @ ("light" | "dark") => (theme, KEPT),
        _ => ("", 0),
    };
    let cookie = |name: &str, value: &str, kept: u32| {
        (header::SET_COOKIE, format!("{name}={value}; Path=/; Max-Age={kept}; SameSite=Lax"))
    };
    let cookies = [
        cookie(LANGUAGE_COOKIE, language.tag(), KEPT),
        cookie(ZONE_COOKIE, &zone, KEPT),
        cookie("theme", theme, kept),
    ];
    let back = if is_own_path(&chosen.back) { &chosen.back } else { "/preferences" };
    Ok((AppendHeaders(cookies), Redirect::to(back)).into_response())
}
