//! What every page must hold, whatever it shows: it can be read by everybody, fits the window, asks no other host, says
//! nothing on the console.

use crate::driver::Browser;
use serde_json::{Value, json};

/// Texts whose contrast with what is behind them is less than AA asks for, and things to press without a name.
pub(crate) const UNREADABLE: &str = r"
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const colour = (text) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
  .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found[3] === 255) return found;
  }
  return [255, 255, 255, 255];
};
const faults = [];
for (const element of document.querySelectorAll('main *')) {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.closest('svg, :disabled, .visually-hidden')) continue;
  const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!says) continue;
  const [one, other] = [light(colour(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < 4.5) faults.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
}
for (const element of document.querySelectorAll('main :is(a, button, input, select, svg[tabindex], svg[role])')) {
  const name = element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.[0]?.textContent.trim();
  if (element.type !== 'hidden' && element.checkVisibility() && !name) faults.push(`no name: ${element.outerHTML.slice(0, 80)}`);
}
return faults";

/// What axe finds wrong by the rules of WCAG 2 A and AA: each as the rule, and the elements that break it.
const AXE: &str = r"
const done = arguments[arguments.length - 1];
axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }).then(({ violations }) => done(
  violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).slice(0, 5).join(' | ')}`)
), (error) => done([String(error)]))";

/// What came over the wire for a page, compressed as it was: the document, its styles, scripts and pictures. What scripts ask
/// for afterwards is data.
const WEIGHT: &str = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource') \
    .filter(({ name }) => new URL(name).pathname.startsWith('/static/'))] \
    .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)";

/// The most bytes that a page may weigh, with the few rows that tests have.
const WEIGHT_MAX: u64 = 150 * 1_024;

impl Browser {
    /// Opens a page, and holds it to what every page must keep. `width` is that of the window.
    pub(crate) async fn visit(&self, address: &str, width: u32) {
        self.client.goto(address).await.unwrap();
        let status = self.script("return performance.getEntriesByType('navigation')[0].responseStatus").await;
        assert_eq!(status, json!(200), "{address}");
        let weight = self.script(WEIGHT).await;
        assert!(weight.as_u64().is_some_and(|bytes| bytes < WEIGHT_MAX), "{address} weighs {weight} bytes");
        self.looks_right(address, width).await;
    }

    /// Holds the page as it is now to what every page must keep.
    pub(crate) async fn looks_right(&self, what: &str, width: u32) {
        let overflow = self.script("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(overflow.as_i64().unwrap() <= 1, "{what} is wider than a window of {width}: by {overflow}");
        let strange = "return performance.getEntriesByType('resource').map(({ name }) => name) \
            .filter((name) => !name.startsWith(location.origin))";
        assert_eq!(self.script(strange).await, json!([]), "{what} asks another host");
        assert_eq!(self.axe().await, Vec::<String>::new(), "axe on {what}, {width} wide");
    }

    /// What axe finds on the page.
    async fn axe(&self) -> Vec<String> {
        let Some(source) = axe() else { return Vec::new() };
        if self.script("return typeof axe").await == json!("undefined") {
            self.client.execute(&source, Vec::new()).await.unwrap();
        }
        let found = self.client.execute_async(AXE, Vec::new()).await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        found.as_array().unwrap().iter().map(text).collect()
    }
}

/// The script of axe-core, from the Python package that has it; none, with a note, where nobody has named one.
fn axe() -> Option<String> {
    let Ok(folder) = std::env::var("ESTEIRA_TEST_AXE") else {
        crate::support::skip(
            "axe",
            "ESTEIRA_TEST_AXE names no folder with the Python package axe-core-python",
        );
        return None;
    };
    let path = std::path::Path::new(&folder).join("axe_core_python/axe.min.js");
    Some(std::fs::read_to_string(path).unwrap())
}
