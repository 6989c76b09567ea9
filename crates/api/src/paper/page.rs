//! The page to print.

use super::{Language, Paper};

const STYLE: &str = "body{font:11pt/1.4 system-ui,sans-serif;margin:2cm auto;max-width:19cm;color:#000;background:#fff}\
    h1{font-size:16pt}table{border-collapse:collapse;width:100%;margin:1em 0}\
    th,td{border-bottom:1px solid #999;padding:.25em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
    td:last-child,th:last-child{text-align:right}thead{display:table-header-group}tr{break-inside:avoid}\
    footer{font-size:9pt}@page{size:A4;margin:1.5cm}";

/// The page.
pub(super) fn written(paper: &Paper, lang: Language) -> String {
    let code = lang.code();
    let title = escaped(&paper.title);
    let facts: String = paper
        .facts
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(name), escaped(value)))
        .collect();
    let headings: String =
        paper.headings.iter().map(|heading| format!("<th scope=\"col\">{}</th>", escaped(heading))).collect();
    let row = |cells: &[String; super::COLUMNS]| {
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = paper.rows.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n<table><tbody>{facts}</tbody></table>\n<table><thead><tr>{headings}</tr></thead>\n\
         <tbody>{rows}</tbody></table>\n<footer>{}</footer></body></html>\n",
        escaped(&paper.notice)
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_written_is_text_on_the_page() {
        assert_eq!(escaped("<script>'&\"</script>"), "&lt;script&gt;&#39;&amp;&quot;&lt;/script&gt;");
    }
}
