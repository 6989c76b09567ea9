//! The PDF: A4 in fonts that readers have by themselves, lines of text from top to bottom.
//!
//! Latin letters are in the two that the format prescribes. All other characters are in the one that it names for simplified
//! Chinese, which readers replace by a Chinese font of the machine's own: none is carried along, so that names and clauses which
//! somebody has written have all their characters, and no font's licence matters.

use super::{COLUMNS, Language, Paper};
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo};
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

/// A4 in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 42.0;
const LINE: f32 = 12.0;
const SIZE: f32 = 7.5;
/// Where the columns begin.
const COLUMN: [f32; COLUMNS] = [42.0, 178.0, 232.0, 360.0, 430.0, 512.0];
/// Longest cells in Latin letters, by what fits in the column; any other character takes two letters' room.
const FITS: [usize; COLUMNS] = [36, 13, 42, 18, 22, 16];
/// Where values of facts begin.
const VALUES: f32 = 150.0;
const REGULAR: Name<'static> = Name(b"R");
const BOLD: Name<'static> = Name(b"B");
const CHINESE: Name<'static> = Name(b"C");
/// The font that readers replace by one of their own, and the encoding of text in it.
const CHINESE_FONT: Name<'static> = Name(b"STSong-Light");
const CHINESE_TEXT: Name<'static> = Name(b"UniGB-UTF16-H");

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
        self.content.next_line(x, y);
        for (font, run) in runs(font, text) {
            self.content.set_font(font, size);
            self.content.show(Str(&run));
        }
        self.content.end_text();
    }
}

/// A character in the Latin fonts' own encoding; none if they do not have it.
fn latin(character: char) -> Option<u8> {
    let known = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte >= 0xa0;
    u8::try_from(u32::from(character)).ok().filter(known)
}

/// Text cut into what each font has, encoded. What cannot be printed at all is left out.
fn runs<'f>(font: Name<'f>, text: &str) -> Vec<(Name<'f>, Vec<u8>)> {
    let mut runs: Vec<(Name<'_>, Vec<u8>)> = Vec::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        let mut two = [0; 2];
        let (font, bytes) = match latin(character) {
            Some(byte) => (font, vec![byte]),
            None => (CHINESE, character.encode_utf16(&mut two).iter().flat_map(|half| half.to_be_bytes()).collect()),
        };
        match runs.last_mut() {
            Some((last, run)) if *last == font => run.extend(bytes),
            _ => runs.push((font, bytes)),
        }
    }
    runs
}

/// Text that takes the room of at most so many letters.
fn cut(text: &str, most: usize) -> String {
    const DOTS: &str = "...";
    let room = |character: char| if latin(character).is_some() { 1 } else { 2 };
    if text.chars().map(room).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(DOTS.len());
    let mut kept = String::new();
    for character in text.chars() {
        match left.checked_sub(room(character)) {
            Some(rest) => left = rest,
            None => break,
        }
        kept.push(character);
    }
    kept + DOTS
}

/// The document.
pub(super) fn written(paper: &Paper, lang: Language) -> Vec<u8> {
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
    assembled(sheets, &paper.title, lang)
}

/// `2025-01-01T00:00:00.002+08:00 - 2025-02-01T00:00:00+08:00` as its column has room for it: to the minute, the offset once.
fn minutes(period: &str) -> String {
    let parts = |time: &str| {
        let (day, clock) = time.split_once('T')?;
        let offset = clock.find(['+', '-', 'Z'])?;
        Some((format!("{day} {}", clock.get(..5)?), clock[offset..].to_owned()))
    };
    match period.split_once(" - ").map(|(from, to)| (parts(from), parts(to))) {
        Some((Some((from, before)), Some((to, after)))) if before == after => format!("{from} - {to} {after}"),
        _ => period.to_owned(),
    }
}

fn assembled(sheets: Vec<Sheet>, title: &str, lang: Language) -> Vec<u8> {
    let mut pdf = Pdf::new();
    let [catalog, pages, regular, bold, chinese, characters, described, info] = [1, 2, 3, 4, 5, 6, 7, 8].map(Ref::new);
    let first = 9;
    let page = |place: usize| Ref::new(first + 2 * place as i32);
    let text = |place: usize| Ref::new(first + 1 + 2 * place as i32);
    pdf.catalog(catalog).pages(pages).lang(TextStr(lang.code()));
    pdf.document_info(info).title(TextStr(title)).producer(TextStr("Utilidor"));
    pdf.pages(pages).kids((0..sheets.len()).map(page)).count(sheets.len() as i32);
    for (font, name) in [(regular, b"Helvetica".as_slice()), (bold, b"Helvetica-Bold")] {
        pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.type0_font(chinese).base_font(CHINESE_FONT).encoding_predefined(CHINESE_TEXT).descendant_font(characters);
    let system = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"GB1"), supplement: 5 };
    pdf.cid_font(characters)
        .subtype(CidFontType::Type0)
        .base_font(CHINESE_FONT)
        .system_info(system)
        .font_descriptor(described)
        .default_width(1_000.0);
    // What a reader chooses a font of its own by.
    pdf.font_descriptor(described)
        .name(CHINESE_FONT)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(-25.0, -254.0, 1_000.0, 880.0))
        .italic_angle(0.0)
        .ascent(880.0)
        .descent(-120.0)
        .cap_height(880.0)
        .stem_v(93.0);
    for (place, sheet) in sheets.into_iter().enumerate() {
        let mut written = pdf.page(page(place));
        written.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(pages).contents(text(place));
        let mut resources = written.resources();
        resources.fonts().pair(REGULAR, regular).pair(BOLD, bold).pair(CHINESE, chinese);
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
            let pdf = written(&paper(rows), Language::En);
            let text = String::from_utf8_lossy(&pdf).into_owned();
            assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
            text.matches("/Parent ").count()
        };
        assert_eq!(pages(1), 1);
        assert!(pages(512) > 5);
    }

    #[test]
    fn letters_that_the_latin_fonts_lack_are_in_the_chinese_one() {
        let cut_up = runs(BOLD, "12 m\u{b3} 电费\n");
        assert_eq!(cut_up, [(BOLD, b"12 m\xb3 ".to_vec()), (CHINESE, vec![0x75, 0x35, 0x8d, 0x39])]);
        assert_eq!(runs(REGULAR, "\u{20c30}"), [(CHINESE, vec![0xd8, 0x43, 0xdc, 0x30])], "of two halves");
        let paper = Paper {
            title: "账单 1".into(),
            facts: vec![("供能方".into(), "energy station".into())],
            headings: std::array::from_fn(|_| "明细".into()),
            rows: Vec::new(),
            notice: "打印件".into(),
        };
        let pdf = written(&paper, Language::Zh);
        let text = String::from_utf8_lossy(&pdf);
        for part in ["/Lang (zh-CN)", "/STSong-Light", "/UniGB-UTF16-H", "/C 7.5 Tf"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.to_lowercase().contains("<4f9b80fd65b9>"), "what is not Latin is written in hex");
        assert!(text.contains("(energy station)"));
    }

    #[test]
    fn a_period_has_room_in_its_column() {
        let shown = minutes("2025-01-01T00:00:00.002+08:00 - 2025-02-01T00:00:00+08:00");
        assert_eq!(shown, "2025-01-01 00:00 - 2025-02-01 00:00 +08:00");
        assert_eq!(cut(&shown, FITS[2]), shown);
        assert_eq!(minutes("2025-01-01T00:00:00Z - 2025-02-01T00:00:00Z"), "2025-01-01 00:00 - 2025-02-01 00:00 Z");
        assert_eq!(minutes(""), "");
    }

    #[test]
    fn cells_are_cut_by_the_room_that_they_take() {
        assert_eq!((cut("abcdef", 5).as_str(), cut("abcde", 5).as_str()), ("ab...", "abcde"));
        assert_eq!((cut("能源费用", 8).as_str(), cut("能源费用", 7).as_str()), ("能源费用", "能源..."));
    }
}
