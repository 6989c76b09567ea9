//! The PDF: A4 in the two fonts that every reader has by itself, lines of text from top to bottom.

use super::{COLUMNS, Paper};
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

/// A4 in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 42.0;
const LINE: f32 = 12.0;
const SIZE: f32 = 7.5;
/// Where the columns begin.
const COLUMN: [f32; COLUMNS] = [42.0, 178.0, 232.0, 360.0, 430.0, 512.0];
/// Longest cells in characters, by what fits in the column.
const FITS: [usize; COLUMNS] = [36, 13, 58, 18, 22, 16];
/// Where values of facts begin.
const VALUES: f32 = 150.0;
const REGULAR: Name<'static> = Name(b"R");
const BOLD: Name<'static> = Name(b"B");

/// Texts of one page with their places.
struct Sheet {
    content: Content,
}

impl Sheet {
    fn blank() -> Self {
        Self { content: Content::new() }
    }

    fn text(&mut self, font: Name<'_>, size: f32, x: f32, y: f32, text: &str) {
        self.content.begin_text();
        self.content.set_font(font, size);
        self.content.next_line(x, y);
        self.content.show(Str(&latin(text)));
        self.content.end_text();
    }
}

/// Text in the fonts' own encoding; what they do not have is a question mark.
fn latin(text: &str) -> Vec<u8> {
    let known = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte >= 0xa0;
    text.chars().map(|character| u8::try_from(u32::from(character)).ok().filter(known).unwrap_or(b'?')).collect()
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end.saturating_sub(3)]),
        None => text.to_owned(),
    }
}

/// The document.
pub(super) fn written(paper: &Paper) -> Vec<u8> {
    let mut sheets = vec![Sheet::blank()];
    let mut y = HEIGHT - MARGIN;
    let sheet = |sheets: &mut Vec<Sheet>, y: &mut f32| {
        if *y < MARGIN + LINE {
            sheets.push(Sheet::blank());
            *y = HEIGHT - MARGIN;
        }
    };
    let last = |sheets: &mut Vec<Sheet>| sheets.len() - 1;

    let place = last(&mut sheets);
    sheets[place].text(BOLD, 16.0, MARGIN, y, &paper.title);
    y -= 2.0 * LINE;
    for (name, value) in &paper.facts {
        let place = last(&mut sheets);
        sheets[place].text(BOLD, SIZE, MARGIN, y, name);
        sheets[place].text(REGULAR, SIZE, VALUES, y, value);
        y -= LINE;
    }
    y -= LINE;
    let place = last(&mut sheets);
    for (x, heading) in COLUMN.iter().zip(&paper.headings) {
        sheets[place].text(BOLD, SIZE, *x, y, heading);
    }
    y -= LINE;
    for row in &paper.rows {
        sheet(&mut sheets, &mut y);
        let place = last(&mut sheets);
        for (((x, fits), column), cell) in COLUMN.iter().zip(FITS).zip(0..).zip(row) {
            // A period takes two lines' worth: its ends are cut to minutes.
            let cell = if column == 2 { minutes(cell) } else { cell.clone() };
            let size = if column == 2 { 5.5 } else { SIZE };
            sheets[place].text(REGULAR, size, *x, y, &cut(&cell, fits));
        }
        y -= LINE;
    }
    y -= LINE;
    sheet(&mut sheets, &mut y);
    let place = last(&mut sheets);
    sheets[place].text(REGULAR, 6.5, MARGIN, y, &paper.notice);
    assembled(sheets, &paper.title)
}

/// `2025-01-01T00:00:00+08:00` without its seconds, where they are none.
fn minutes(period: &str) -> String {
    period.replace(":00+", "+").replace(":00Z", "Z")
}

fn assembled(sheets: Vec<Sheet>, title: &str) -> Vec<u8> {
    let mut pdf = Pdf::new();
    let [catalog, pages, regular, bold, info] = [1, 2, 3, 4, 5].map(Ref::new);
    let first = 6;
    let page = |place: usize| Ref::new(first + 2 * place as i32);
    let text = |place: usize| Ref::new(first + 1 + 2 * place as i32);
    pdf.catalog(catalog).pages(pages).lang(TextStr("en"));
    pdf.document_info(info).title(TextStr(title)).producer(TextStr("Utilidor"));
    pdf.pages(pages).kids((0..sheets.len()).map(page)).count(sheets.len() as i32);
    for (font, name) in [(regular, b"Helvetica".as_slice()), (bold, b"Helvetica-Bold")] {
        pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (place, sheet) in sheets.into_iter().enumerate() {
        let mut written = pdf.page(page(place));
        written.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(pages).contents(text(place));
        let mut resources = written.resources();
        resources.fonts().pair(REGULAR, regular).pair(BOLD, bold);
        resources.finish();
        written.finish();
        pdf.stream(text(place), &sheet.content.finish());
    }
    pdf.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_statement_has_several_pages() {
        let row = || std::array::from_fn(|column| format!("cell {column}"));
        let paper = |rows: usize| Paper {
            title: "Statement 1".into(),
            facts: vec![("Owner".into(), "somebody".into())],
            headings: std::array::from_fn(|column| column.to_string()),
            rows: (0..rows).map(|_| row()).collect(),
            notice: "the proof".into(),
        };
        let pages = |rows| {
            let pdf = written(&paper(rows));
            let text = String::from_utf8_lossy(&pdf).into_owned();
            assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
            text.matches("/Parent ").count()
        };
        assert_eq!(pages(1), 1);
        assert!(pages(512) > 5);
    }

    #[test]
    fn letters_that_the_fonts_lack_are_marked() {
        assert_eq!(latin("12 m\u{b3} 电\n"), b"12 m\xb3 ??");
        assert_eq!(cut("abcdef", 5), "ab...");
        assert_eq!(cut("abcde", 5), "abcde");
    }
}
