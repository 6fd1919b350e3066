//! Parts of a large value.

use super::{answer, ask, request};
use crate::support::on_both;

#[test]
fn parts_of_20_megabytes() {
    let value: Vec<u8> = (0..20_000_000u32).map(|at| (at % 251) as u8).collect();
    on_both(&[], |node| {
        let mut client = node.client();
        assert_eq!(ask(&mut client, "PUT", "/large", "", &value).status, 201);
        let last = value.len() - 1;
        for (range, first, end) in [
            ("0-0", 0, 1),
            ("1000-1999", 1000, 2000),
            ("19999999-", last, last + 1),
            ("5000000-99999999999999999999", 5_000_000, last + 1),
            ("-100", last - 99, last + 1),
            ("-30000000", 0, last + 1),
        ] {
            let part = ask(&mut client, "GET", "/large", &format!("Range: bytes={range}\r\n"), b"");
            assert_eq!(part.status, 206, "{range}");
            let shown = format!("bytes {first}-{}/{}", end - 1, value.len());
            assert_eq!(part.header("Content-Range"), Some(shown.as_str()), "{range}");
            assert!(part.body == value[first..end], "{range}");
        }
        for range in ["20000000-", "20000000-20000001", "-0"] {
            let none = ask(&mut client, "GET", "/large", &format!("Range: bytes={range}\r\n"), b"");
            assert_eq!((none.status, none.text()), (416, "Range Not Satisfiable\n"));
            assert_eq!(none.header("Content-Range"), Some("bytes */20000000"), "{range}");
        }
        for headers in ["Range: bytes=0-1,3-4\r\n", "Range: lines=0-1\r\n", "Range: bytes=5-2\r\n"] {
            let whole = ask(&mut client, "GET", "/large", headers, b"");
            assert!(whole.status == 200 && whole.body == value, "{headers}");
        }
        // Put together again from a pipeline of parts.
        const PART: usize = 1_234_567;
        let parts: Vec<usize> = (0..value.len()).step_by(PART).collect();
        let range = |first: usize| format!("Range: bytes={first}-{}\r\n", first + PART - 1);
        let asked: Vec<u8> =
            parts.iter().flat_map(|&first| request("GET", "/large", &range(first), b"")).collect();
        client.send(&asked);
        let got: Vec<u8> = parts.iter().flat_map(|_| answer(&mut client, "GET").body).collect();
        assert!(got == value);
        assert_eq!(ask(&mut client, "GET", "/none", "Range: bytes=0-1\r\n", b"").status, 404);
        assert_eq!(client.count_of("cnt_get_miss"), 1, "a part that is not there is no miss");
    });
}
