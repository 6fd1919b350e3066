use super::*;

fn two(exponent: i32) -> f64 {
    2_f64.powi(exponent)
}

#[test]
fn formats_are_read_as_observed() {
    let numbers: Vec<f64> = (65..=68).map(f64::from).collect();
    for (format, bytes) in [
        ("c", "A"),
        ("c*", "ABCD"),
        ("c3", "ABC"),
        ("cc", "AB"),
        ("c2c", "ABC"),
        ("c0", ""),
        ("c0c", "A"),
        ("c00002", "AB"),
        ("c-2", "A"),
        ("c+2c", "AD"),
        ("c 2c", "AD"),
        ("c2 c", "ABD"),
        ("c,c", "AC"),
        ("qc", "B"),
        ("q2c", "C"),
        ("q*c", ""),
        ("*c", "B"),
        ("2c", "B"),
        ("c**c", "ABCD"),
        ("c2*", "AB"),
        ("c2*c", "ABD"),
        ("c999999999", "ABCD"),
        ("c4294967296", ""),
        ("c4294967297", "A"),
        ("c2147483648", ""),
        ("c18446744073709551618", "AB"),
        ("c99999999999999999999", "ABCD"),
        ("c\0c", "A"),
        ("", ""),
        ("q", ""),
    ] {
        assert_eq!(pack(format.as_bytes(), &numbers), bytes.as_bytes(), "{format:?}");
    }
    assert_eq!(pack(b"c*", &[]), b"");
}

#[test]
fn formats_of_unpack_are_read_as_observed() {
    for (format, numbers) in [
        ("c", vec![65.0]),
        ("c*", vec![65.0, 66.0, 67.0]),
        ("c2", vec![65.0, 66.0]),
        ("c0c", vec![65.0]),
        ("q*c", vec![65.0]),
        ("q2c", vec![65.0]),
        ("2c", vec![65.0]),
        ("*c", vec![65.0]),
        ("c*c", vec![65.0, 66.0, 67.0]),
        ("c999999999", vec![65.0, 66.0, 67.0]),
        ("c4294967296", vec![]),
        ("c-2", vec![65.0]),
        ("c\0c", vec![65.0]),
        ("ic", vec![]),
        ("Cs", vec![65.0, f64::from(i16::from_ne_bytes(*b"BC"))]),
        ("C2s", vec![65.0, 66.0]),
        ("", vec![]),
    ] {
        assert_eq!(unpack(format.as_bytes(), b"ABC").collect::<Vec<_>>(), numbers, "{format:?}");
    }
    assert_eq!(unpack(b"c*", b"").count(), 0);
}

#[test]
#[cfg(target_endian = "little")]
fn numbers_out_of_range_are_cut_as_observed() {
    let (nan, inf) = (f64::NAN.copysign(-1.0), f64::INFINITY);
    let cases: &[(&str, f64, &[u8])] = &[
        ("c", 300.0, b","),
        ("c", -200.0, b"8"),
        ("c", 127.9, b"\x7f"),
        ("c", -0.9, b"\0"),
        ("C", -1.9, b"\xff"),
        ("C", 1e10, b"\0"),
        ("C", two(31) + 5.0, b"\0"),
        ("C", nan, b"\0"),
        ("s", 32768.0, b"\0\x80"),
        ("s", 65541.0, b"\x05\0"),
        ("S", -40000.0, b"\xc0c"),
        ("S", two(32) + 5.0, b"\0\0"),
        ("i", two(31) + 5.0, b"\x05\0\0\x80"),
        ("i", two(32) + 5.0, b"\x05\0\0\0"),
        ("i", -two(31) - 1.0, b"\xff\xff\xff\x7f"),
        ("I", two(63) + two(12), b"\0\0\0\0"),
        ("I", inf, b"\0\0\0\0"),
        ("l", -1.0, &[0xff; 8]),
        ("l", two(63) + two(12), b"\0\x10\0\0\0\0\0\x80"),
        ("l", -two(64), b"\0\0\0\0\0\0\0\x80"),
        ("L", two(64), &[0; 8]),
        ("L", nan, b"\0\0\0\0\0\0\0\x80"),
        ("L", inf, &[0; 8]),
        ("L", -inf, b"\0\0\0\0\0\0\0\x80"),
        ("f", 1.5, b"\0\0\xc0?"),
        ("f", 1e300, b"\0\0\x80\x7f"),
        ("f", nan, b"\0\0\xc0\xff"),
        ("F", 0.1, b"\xcd\xcc\xcc="),
        ("d", 0.1, b"\x9a\x99\x99\x99\x99\x99\xb9?"),
        ("D", nan, b"\0\0\0\0\0\0\xf8\xff"),
        ("n", 65794.0, b"\x01\x02"),
        ("n", two(31) + 5.0, b"\0\0"),
        ("N", -1.0, b"\xff\xff\xff\xff"),
        ("N", two(31) + 5.0, b"\x80\0\0\x05"),
        ("M", two(63) + two(62), b"\xc0\0\0\0\0\0\0\0"),
        ("M", inf, &[0; 8]),
    ];
    for (format, number, bytes) in cases {
        assert_eq!(pack(format.as_bytes(), &[*number]), *bytes, "{format} {number}");
    }
}

#[test]
fn variable_lengths_are_as_observed() {
    let cases: &[(f64, &[u8])] = &[
        (0.0, b"\0"),
        (127.0, b"\x7f"),
        (128.0, b"\x81\0"),
        (300.7, b"\x82,"),
        (16383.0, b"\xff\x7f"),
        (16384.0, b"\x81\x80\0"),
        (two(32) - 1.0, b"\x8f\xff\xff\xff\x7f"),
        (two(49), b"\x81\x80\x80\x80\x80\x80\x80\0"),
        (two(56) - two(10), b"\xff\xff\xff\xff\xff\xff\xf8\0"),
        (two(56), b"\x80\x80\x80\x80\x80\x80\x80\x80\0"),
        (two(63), b"\x81\x80\x80\x80\x80\x80\x80\x80\0"),
        (two(64), b"\0"),
        (-1.0, b"\x81\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (-300.0, b"\x81\xff\xff\xff\xff\xff\xff\xfdT"),
    ];
    for (number, bytes) in cases {
        assert_eq!(pack(b"w", &[*number]), *bytes, "{number}");
        assert_eq!(pack(b"W", &[*number]), *bytes, "{number}");
    }
    let cases: &[(&[u8], &[f64])] = &[
        (b"\x82,\x01\0\x81", &[300.0, 1.0, 0.0, 1.0]),
        (b"\x81\x80\x80", &[16384.0]),
        (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f\x05", &[127.0, 5.0]),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f", &[18_446_744_073_709_551_615.0]),
        (b"\x81\x80\x80\x80\x80\x80\x80\x80\0", &[72_057_594_037_927_936.0]),
    ];
    for (bytes, numbers) in cases {
        assert_eq!(unpack(b"w*", bytes).collect::<Vec<_>>(), *numbers, "{bytes:?}");
    }
}

#[test]
fn what_was_packed_is_unpacked() {
    let whole = [0.0, 1.0, 77.0, 127.0];
    for form in "cCsSiIlLfFdDnNMwW".chars() {
        let format = format!("{form}*");
        let bytes = pack(format.as_bytes(), &whole);
        assert_eq!(unpack(format.as_bytes(), &bytes).collect::<Vec<_>>(), whole, "{form}");
    }
    for (form, bytes, number) in [
        ("c", vec![0xff], -1.0),
        ("C", vec![0xff], 255.0),
        ("s", vec![0xff; 2], -1.0),
        ("S", vec![0xff; 2], 65535.0),
        ("i", vec![0xff; 4], -1.0),
        ("I", vec![0xff; 4], 4_294_967_295.0),
        ("l", vec![0xff; 8], -1.0),
        ("L", vec![0xff; 8], 18_446_744_073_709_551_615.0),
        ("n", vec![0xff; 2], 65535.0),
        ("N", vec![0xff; 4], 4_294_967_295.0),
        ("M", vec![0xff; 8], 18_446_744_073_709_551_615.0),
    ] {
        assert_eq!(unpack(form.as_bytes(), &bytes).collect::<Vec<_>>(), [number], "{form}");
    }
}
