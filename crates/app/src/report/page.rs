//! Puts the page together.

use std::{borrow::Cow, sync::OnceLock};

use plotly::Plot;

use super::data::Data;
use crate::analyze::Summary;

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The data as it stands in the page, and plotly.js made ready: what can be done while other files are written.
pub fn prepare(data: &Data) -> anyhow::Result<String> {
    plotly_js();
    Ok(json_in_html(&serde_json::to_string(data)?))
}

/// The whole file, of the summary and what [`prepare`] gave.
pub fn page(summary: &Summary, data: &str) -> anyhow::Result<Vec<u8>> {
    let title = format!("{} options, {}", summary.underlying, summary.quote_date);
    let parts = [
        ("{{title}}", Cow::from(escaped(&title))),
        ("{{style}}", STYLE.into()),
        ("{{summary}}", json_in_html(&serde_json::to_string(summary)?).into()),
        ("{{data}}", data.into()),
        ("{{version}}", env!("CARGO_PKG_VERSION").into()),
        ("{{script}}", SCRIPT.into()),
        ("{{plotly}}", plotly_js().into()),
    ];
    Ok(filled(FRAME, &parts))
}

/// A frame with its places filled. It is walked once, so that what stands in a part is never taken for a place in the frame.
pub fn filled(frame: &str, parts: &[(&str, Cow<'_, str>)]) -> Vec<u8> {
    let mut page = Vec::with_capacity(frame.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>());
    let mut rest = frame;
    while let Some(at) = rest.find("{{") {
        page.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        match parts.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, part)) => {
                page.extend_from_slice(part.as_bytes());
                rest = &rest[place.len()..];
            }
            None => {
                page.extend_from_slice(b"{{");
                rest = &rest[2..];
            }
        }
    }
    page.extend_from_slice(rest.as_bytes());
    page
}

/// Text as HTML shows it.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// JSON that no text inside can end its script element with.
pub(super) fn json_in_html(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// The embedded plotly.js, without MathJax, which comes behind it and which no plot here needs.
pub(super) fn plotly_js() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let all = Plot::offline_js_sources();
        let start = all.find('>').map_or(0, |at| at + 1);
        let end = all[start..].find("</script>").map_or(all.len(), |at| start + at);
        all[start..end].to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plotly_comes_alone() {
        let source = plotly_js();
        assert!(source.contains("plotly.js v3"));
        assert!(!source.contains("MathJax=Object.assign"));
        assert!((3_000_000..5_500_000).contains(&source.len()), "{}", source.len());
    }

    #[test]
    fn text_from_a_file_stays_text() {
        assert_eq!(escaped("<b>&'\""), "&lt;b&gt;&amp;&#39;&quot;");
        assert_eq!(json_in_html(r#"{"a":"</script><!--"}"#), r#"{"a":"\u003c/script>\u003c!--"}"#);
    }

    #[test]
    fn the_frame_has_every_place() {
        for place in ["{{title}}", "{{style}}", "{{summary}}", "{{data}}", "{{version}}", "{{script}}", "{{plotly}}"] {
            assert!(FRAME.contains(place), "{place}");
        }
    }
}
