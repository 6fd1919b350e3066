//! ratelimit.lua.

use crate::world::{World, seeded};

fn allow(world: &World, value: &str) -> String {
    world.ask("rate_allow", "k", value).unwrap()
}

#[test]
fn as_many_at_once_as_the_limit_then_evenly() {
    let mut world = World::new();
    for left in ["1|2|0", "1|1|0", "1|0|0"] {
        assert_eq!(allow(&world, "3|6"), left);
    }
    assert_eq!(allow(&world, "3|6"), "0|0|2.000");
    world.pass(1.5);
    assert_eq!(allow(&world, "3|6"), "0|0|0.500");
    world.pass(0.5);
    assert_eq!(allow(&world, "3|6"), "1|0|0");
    assert_eq!(allow(&world, "3|6"), "0|0|2.000");
    world.pass(5.0);
    assert_eq!(allow(&world, "3|6"), "1|1|0");
    assert_eq!(world.ask("rate_allow", "other", "3|6").as_deref(), Some("1|2|0"));
}

#[test]
fn who_waits_as_long_as_told_is_let_in() {
    let mut world = World::new();
    allow(&world, "20|1|20");
    for time in 0..100 {
        assert_eq!(allow(&world, "20|1"), "0|0|0.050", "{time}");
        // Sums of times are not exact.
        world.pass(0.05);
        assert_eq!(allow(&world, "20|1"), "1|0|0", "{time}");
    }
}

#[test]
fn a_bucket_that_is_full_takes_no_room() {
    let mut world = World::new();
    allow(&world, "3|6");
    assert_eq!(world.records(), 1);
    world.pass(1.9);
    assert_eq!(world.records(), 1);
    world.pass(0.11);
    assert_eq!(world.records(), 0);
    allow(&world, "3|6|3");
    let record = world.record("k");
    assert_eq!(allow(&world, "3|6|2"), "0|0|4.000");
    assert_eq!(world.record("k"), record, "what is refused writes nothing");
    world.pass(6.01);
    assert_eq!(world.records(), 0);
}

#[test]
fn costs_and_other_limits() {
    let mut world = World::new();
    assert_eq!(allow(&world, "10|10|7"), "1|3|0");
    assert_eq!(allow(&world, "10|10|4"), "0|3|1.000");
    assert_eq!(allow(&world, "10|10|3"), "1|0|0");
    world.pass(4.0);
    assert_eq!(allow(&world, "2|10"), "0|0|1.000", "it fills at the rate of the limit that is asked for");
}

#[test]
fn a_clock_that_is_set_back_takes_nothing_away() {
    let mut world = World::new();
    assert_eq!(allow(&world, "3|6"), "1|2|0");
    world.call("set_now", "", "5");
    assert_eq!(allow(&world, "3|6"), "1|1|0");
    world.pass(2.0);
    assert_eq!(allow(&world, "3|6"), "1|2|0");
}

#[test]
fn bad_input_is_refused() {
    let world = World::new();
    for value in ["", "3", "3|", "|6", "0|6", "-1|6", "1.5|6", "nan|6", "inf|6", "1e10|6", "x|6", "\0"] {
        world.refuses("rate_allow", "k", value, "LIMIT|SECONDS");
    }
    for value in
        ["3|0", "3|-1", "3|x", "3|nan", "3|inf", "3|1e9", "3|6|0", "3|6|4", "3|6|1.5", "3|6|x", "3|6|1|1"]
    {
        world.refuses("rate_allow", "k", value, "LIMIT|SECONDS");
    }
    world.put("k", "hello world");
    world.refuses("rate_allow", "k", "3|6", "no bucket of ratelimit.lua");
    world.put("k", "hello");
    world.refuses("rate_allow", "k", "3|6", "no bucket of ratelimit.lua");
}

#[test]
fn never_more_than_the_bucket_and_what_flows_into_it() {
    let mut random = seeded("never_more_than_the_bucket_and_what_flows_into_it");
    for _ in 0..20 {
        let mut world = World::new();
        let (limit, seconds) = (random.u32(1..20), random.u32(1..20));
        let mut allowed = Vec::new();
        let mut now = 0.0;
        for _ in 0..300 {
            let answer = allow(&world, &format!("{limit}|{seconds}"));
            if answer.starts_with('1') {
                allowed.push(now);
            } else if random.bool() {
                // Who waits as long as told is let in.
                let retry: f64 = answer.rsplit('|').next().unwrap().parse().unwrap();
                world.pass(retry);
                now += retry;
                assert!(allow(&world, &format!("{limit}|{seconds}")).starts_with("1|"), "after {answer}");
                allowed.push(now);
            }
            let time = random.f64() * f64::from(seconds) / f64::from(limit);
            world.pass(time);
            now += time;
        }
        for (index, begin) in allowed.iter().enumerate() {
            for (more, end) in allowed[index..].iter().enumerate() {
                let flown = (end - begin) * f64::from(limit) / f64::from(seconds);
                assert!(
                    more as f64 <= f64::from(limit) + flown + 0.01,
                    "{limit}|{seconds}: {more} in {}",
                    end - begin
                );
            }
        }
        assert!(allowed.len() > 50, "and not too few: {}", allowed.len());
    }
}
