//! The language and the time zone of whoever looks at a page. Both are theirs to choose (`/preferences`), and stand in cookies;
//! without a choice pages are in the language that the browser asks for, and times in UTC. What programs write and read, such
//! as the engine's errors, names of events and log lines, is in English for everybody.
//!
//! A page is made in the scope of one locale, so that whatever shows a text or a time finds it without being handed it:
//!
//! ```text
//! {{ crate::t("Runs") }}    {{ crate::t1("{} more tasks", count) }}    {{ crate::tn(count, "1 run", "{} runs") }}
//! ```
//!
//! The English text is the key; `languages/pt-BR/` has the Portuguese one, and a test holds the two together.

mod phrases;
mod typed;

pub(crate) use phrases::{t, t1, tm, tn};
pub(crate) use typed::typed_instant;

use crate::frame::cookies;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use jiff::tz::TimeZone;

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    English,
    Portuguese,
}

impl Language {
    /// Each of them.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Portuguese];

    /// Its tag (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Portuguese => "pt-BR",
        }
    }

    /// Its name, in itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Portuguese => "Português",
        }
    }

    /// The language of this tag, whatever the country.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|it| it.tag()[..2].eq_ignore_ascii_case(primary))
    }
}

/// How somebody wants texts and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locale {
    pub(crate) language: Language,
    pub(crate) zone: TimeZone,
}

impl Default for Locale {
    fn default() -> Self {
        Self { language: Language::English, zone: TimeZone::UTC }
    }
}

impl Locale {
    /// As the cookies say, or the browser.
    fn of(headers: &HeaderMap) -> Self {
        let cookie = |name: &str| {
            let mut pairs = cookies(headers).filter_map(|cookie| cookie.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let language =
            cookie(LANGUAGE_COOKIE).and_then(Language::of_tag).unwrap_or_else(|| asked_for(headers));
        // The cookie has the name as it is, but for the slashes, which not every program lets through.
        let zone = cookie(ZONE_COOKIE).and_then(|name| zone_named(&name.replace("%2F", "/")));
        Self { language, zone: zone.unwrap_or(TimeZone::UTC) }
    }

    /// The zone's name: `UTC`, `America/Sao_Paulo`.
    pub(crate) fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// The language that the browser likes best of those that the pages speak (RFC 9110, 12.5.4); English where it says nothing.
fn asked_for(headers: &HeaderMap) -> Language {
    let asked =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wish = |part: &str| {
        let (tag, weight) = part.split_once(";q=").unwrap_or((part, "1"));
        let weight: f32 = weight.trim().parse().unwrap_or_default();
        Language::of_tag(tag.trim()).filter(|_| weight > 0.0).map(|language| (language, weight))
    };
    // Of equal wishes the first counts.
    let best =
        asked.split(',').filter_map(wish).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(language, _)| language).unwrap_or_default()
}

/// The cookies that hold the choices.
pub(crate) const LANGUAGE_COOKIE: &str = "language";
pub(crate) const ZONE_COOKIE: &str = "zone";

/// The zone of this name, if there is one.
pub(crate) fn zone_named(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    TimeZone::get(name).ok()
}

tokio::task_local! {
    static LOCALE: Locale;
}

/// Makes the answer in the locale of whoever asks. Programs are told the same, whoever they work for.
pub(crate) async fn choose(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let locale = if is_api { Locale::default() } else { Locale::of(request.headers()) };
    LOCALE.scope(locale, next.run(request)).await
}

/// Does something with the locale of whoever asks; with the usual one where nobody does.
pub(crate) fn with<R>(act: impl Fn(&Locale) -> R) -> R {
    LOCALE.try_with(&act).unwrap_or_else(|_| act(&Locale::default()))
}

/// The language of whoever asks.
pub(crate) fn language() -> Language {
    with(|locale| locale.language)
}

/// Does something as if for this language and zone: for tests.
#[cfg(test)]
pub(crate) fn as_in<R>(language: Language, zone: &str, act: impl FnOnce() -> R) -> R {
    LOCALE.sync_scope(Locale { language, zone: zone_named(zone).unwrap() }, act)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn locale(cookie: &'static str) -> (Language, String) {
        asked("en-US,en;q=0.9,pt;q=0.8", cookie)
    }

    fn asked(wishes: &'static str, cookie: &'static str) -> (Language, String) {
        let headers = HeaderMap::from_iter([
            (header::ACCEPT_LANGUAGE, HeaderValue::from_static(wishes)),
            (header::COOKIE, HeaderValue::from_static(cookie)),
        ]);
        let locale = Locale::of(&headers);
        (locale.language, locale.zone_name().to_owned())
    }

    #[test]
    fn the_cookies_say_what_was_chosen() {
        let (english, portuguese) = (Language::English, Language::Portuguese);
        for (cookie, language, zone) in [
            ("", english, "UTC"),
            ("theme=dark; language=pt-BR", portuguese, "UTC"),
            ("language=en; zone=America%2FSao_Paulo", english, "America/Sao_Paulo"),
            ("language=xx; zone=Nowhere%2FNever", english, "UTC"),
        ] {
            assert_eq!(locale(cookie), (language, zone.to_owned()), "{cookie}");
        }
    }

    #[test]
    fn without_a_choice_the_browser_says_the_language() {
        let (english, portuguese) = (Language::English, Language::Portuguese);
        for (wishes, language) in [
            ("", english),
            ("pt-BR,pt;q=0.9,en;q=0.8", portuguese),
            ("de, pt;q=0.5, en;q=0.7", english),
            ("fr;q=0.9, pt-PT;q=0.2", portuguese),
            ("pt;q=0", english),
            ("*", english),
        ] {
            assert_eq!(asked(wishes, "").0, language, "{wishes}");
        }
        assert_eq!(asked("pt-BR", "language=en").0, english, "who has chosen is not asked");
    }

    #[test]
    fn outside_of_a_request_it_is_the_usual_one() {
        assert_eq!(with(Clone::clone), Locale::default());
        let name =
            as_in(Language::Portuguese, "Europe/Rome", || with(|locale| locale.zone_name().to_owned()));
        assert_eq!(name, "Europe/Rome");
    }
}
