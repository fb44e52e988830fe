//! The browser as a test sees it: what it clicks, and what it waits for.

use crate::chromium::Chromium;
use crate::support::skip;
use fantoccini::{Client, Locator};
use serde_json::json;
use std::time::Duration;

/// A browser that ends with the test.
pub(crate) struct Browser {
    chromium: Chromium,
    pub(crate) client: Client,
}

impl Browser {
    /// Starts Chromium with a window of this width; where there is none, notes that the test is skipped, and why.
    pub(crate) async fn start(test: &str, width: u32) -> Option<Self> {
        match Chromium::start(width).await {
            Ok(chromium) => Some(Self { client: chromium.client.clone(), chromium }),
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(selector))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Clicks what is there, or comes.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await.unwrap();
        element.click().await.unwrap();
    }

    /// What a script returns.
    pub(crate) async fn script(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script gives true.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let start = std::time::Instant::now();
        while self.script(script).await != json!(true) {
            assert!(
                start.elapsed() < PATIENCE,
                "{what} did not come; the page says:\n{}",
                self.text("body").await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn end(self) {
        self.chromium.end().await;
    }
}

/// Long enough for anything that does happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
