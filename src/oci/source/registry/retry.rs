//! How often, and after what pause, a request is sent again.

use crate::oci::ErrorKind;
use reqwest::blocking::Response;
use reqwest::header::RETRY_AFTER;
use std::time::{Duration, SystemTime};

/// The longest pause that a registry may ask for; a longer one is an error.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The retry budget of one request or download. Pauses double, without jitter.
pub(super) struct Retry {
    tries: u32,
    first: Duration,
    left: u32,
    pause: Duration,
}

impl Retry {
    /// Sends again up to `tries` times, the first time after `first`.
    pub(super) fn new(tries: u32, first: Duration) -> Self {
        Self { tries, first, left: tries, pause: first }
    }

    /// Waits before the next try, at least as long as the registry `asked` for, or gives `error`
    /// back when there is none.
    pub(super) fn pause(
        &mut self,
        error: ErrorKind,
        asked: Option<Duration>,
    ) -> Result<(), ErrorKind> {
        let pause = self.pause.max(asked.unwrap_or_default());
        if self.left == 0 || pause > MAX_PAUSE {
            return Err(error);
        }
        std::thread::sleep(pause);
        self.left -= 1;
        self.pause = self.pause.saturating_mul(2);
        Ok(())
    }

    /// Resets the budget: the last try made progress.
    pub(super) fn renew(&mut self) {
        *self = Self::new(self.tries, self.first);
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    parse(response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim(), SystemTime::now())
}

fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a pause without end.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_that_registries_ask_for() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let cases = [
            ("0", Some(Duration::ZERO)),
            ("120", Some(Duration::from_secs(120))),
            ("99999999999999999999999", Some(Duration::from_secs(u64::MAX))),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(Duration::from_secs(30))),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, now), expected, "{text}");
        }
    }

    #[test]
    fn patience_is_bounded() {
        let error = || ErrorKind::NotFound(String::new());
        let mut retry = Retry::new(2, Duration::ZERO);
        assert!(retry.pause(error(), Some(MAX_PAUSE + Duration::from_nanos(1))).is_err());
        assert!(retry.pause(error(), None).is_ok());
        assert!(retry.pause(error(), None).is_ok());
        assert!(retry.pause(error(), None).is_err());
        retry.renew();
        assert!(retry.pause(error(), None).is_ok());
    }
}
