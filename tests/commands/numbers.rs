//! addint and adddouble: what is stored, what is answered, what is refused.

use crate::support::on_both;

/// The least integral part stands for what is no finite number in range.
const LEAST: i64 = i64::MIN;
const TRILLION: i64 = 1_000_000_000_000;

#[test]
fn addint_counts_in_four_bytes_of_the_host() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert_eq!(client.addint("zero", 0), Some(0));
        assert_eq!(client.get("zero"), Some(vec![0; 4]), "made, although nothing was added");
        assert_eq!(client.addint("n", -2), Some(-2));
        assert_eq!(client.get("n"), Some(vec![0xfe, 0xff, 0xff, 0xff]));
        assert_eq!(client.addint("n", 5), Some(3));
        assert_eq!(client.addint("n", 0), Some(3));
        assert!(client.put("text", "1234"));
        let text = i32::from_le_bytes(*b"1234");
        assert_eq!(client.addint("text", 1), Some(text + 1), "four bytes of text are a number");
    });
}

#[test]
fn addint_wraps_and_takes_the_least_sum_for_an_error() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert_eq!(client.addint("n", i32::MAX), Some(i32::MAX));
        assert_eq!(client.addint("n", 1), None, "the original's error mark");
        assert_eq!(client.get("n"), Some(i32::MIN.to_le_bytes().to_vec()), "but it is stored");
        assert_eq!(client.addint("n", 0), None);
        assert_eq!(client.addint("n", -1), Some(i32::MAX));
        assert_eq!(client.addint("n", 2), Some(i32::MIN + 1));
        assert_eq!(client.addint("n", i32::MIN), Some(1), "modulo 2^32");
        assert_eq!(client.addint("least", i32::MIN), None);
        assert_eq!(client.get("least"), Some(i32::MIN.to_le_bytes().to_vec()));
        assert_eq!(client.addint("least", i32::MIN), Some(0));
    });
}

#[test]
fn adding_to_what_is_no_number_fails_and_leaves_it() {
    on_both(&[], |node| {
        let mut client = node.client();
        for len in [0, 1, 3, 5, 7, 9, 16] {
            let value = "x".repeat(len);
            assert!(client.put("k", &value));
            assert_eq!(client.addint("k", 1), None, "{len} bytes");
            assert_eq!(client.adddouble("k", 1, 0), None, "{len} bytes");
            assert_eq!(client.text("k"), Some(value));
        }
        assert!(client.put("k", [0; 8]));
        assert_eq!(client.addint("k", 1), None);
        assert!(client.put("k", [0; 4]));
        assert_eq!(client.adddouble("k", 1, 0), None);
        assert_eq!(client.get("k"), Some(vec![0; 4]));
    });
}

#[test]
fn adddouble_splits_numbers_at_the_point() {
    on_both(&[], |node| {
        let mut client = node.client();
        for (parts, sum, stored) in [
            ((0, 0), (0, 0), 0.0),
            ((1, TRILLION / 2), (1, TRILLION / 2), 1.5),
            ((-1, -750_000_000_000), (-1, -750_000_000_000), -1.75),
            ((0, -TRILLION / 4), (0, -TRILLION / 4), -0.25),
            ((1, -TRILLION / 2), (0, TRILLION / 2), 0.5),
            ((0, 3 * TRILLION + TRILLION / 2), (3, TRILLION / 2), 3.5),
            ((-2, TRILLION), (-1, 0), -1.0),
            ((1 << 53, 0), (1 << 53, 0), 9_007_199_254_740_992.0),
            ((i64::MIN + 1, 0), (LEAST, 0), -9_223_372_036_854_775_808.0),
        ] {
            client.out("d");
            assert_eq!(client.adddouble("d", parts.0, parts.1), Some(sum), "{parts:?}");
            assert_eq!(client.get("d"), Some(f64::to_le_bytes(stored).to_vec()), "{parts:?}");
        }
        client.out("d");
        assert_eq!(client.adddouble("d", 0, 1), Some((0, 1)));
        assert_eq!(client.adddouble("d", 2, TRILLION / 2), Some((2, TRILLION / 2 + 1)));
    });
}

#[test]
fn adddouble_knows_infinity_and_not_a_number() {
    on_both(&[], |node| {
        let mut client = node.client();
        let bits = |value: f64| Some(value.to_le_bytes().to_vec());
        assert_eq!(client.adddouble("inf", i64::MAX, 0), Some((i64::MAX, 0)));
        assert_eq!(client.get("inf"), bits(f64::INFINITY));
        assert_eq!(client.adddouble("inf", 5, 5), Some((i64::MAX, 0)));
        assert_eq!(client.adddouble("-inf", LEAST, 0), Some((LEAST, 0)));
        assert_eq!(client.get("-inf"), bits(f64::NEG_INFINITY));
        assert_eq!(client.adddouble("nan", LEAST, LEAST), None, "not a number is a failure");
        let is_nan = |value: Option<Vec<u8>>| f64::from_le_bytes(value.unwrap().try_into().unwrap()).is_nan();
        assert!(is_nan(client.get("nan")), "but it is stored");
        assert_eq!(client.adddouble("nan", 1, 0), None);
        assert_eq!(client.adddouble("inf", LEAST, 0), None, "infinities cancel each other out");
        assert!(is_nan(client.get("inf")));
        // A finite number beyond the integral part.
        assert!(client.put("large", 1e300f64.to_le_bytes()));
        assert_eq!(client.adddouble("large", 0, 0), Some((LEAST, 0)));
        assert_eq!(client.get("large"), bits(1e300));
    });
}

#[test]
fn no_increment_is_lost_between_clients() {
    on_both(&[], |node| {
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let mut client = node.client();
                    for _ in 0..1000 {
                        assert!(client.addint("n", 3).is_some());
                        assert!(client.adddouble("d", 0, TRILLION / 2).is_some());
                    }
                });
            }
        });
        let mut client = node.client();
        assert_eq!(client.addint("n", 0), Some(12_000));
        assert_eq!(client.adddouble("d", 0, 0), Some((2000, 0)));
    });
}
