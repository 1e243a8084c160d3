//! Replies are read as another parser reads them, however they are cut, and no bytes make the reader panic.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise, its helpers too")]

use pipeline::batch::StreamId;
use pipeline::limits::{MAX_REPLY_NESTING, OVERSIZE_HEAD_BYTES};
use pipeline::source::redis::resp::{Scan, Token, walk};
use pipeline::source::redis::{Item, ReplyWalk, ServerErrorKind};
use proptest::collection::vec;
use proptest::prelude::*;
use redis::Value;

/// Entries of over so many bytes are passed over here.
const MAX_ENTRY_BYTES: usize = 300;

/// A token that owns its text.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    Array(u64),
    Nil,
}

fn ours(bytes: &[u8]) -> (Vec<(usize, Owned)>, Scan<()>) {
    let mut tokens = Vec::new();
    let end = walk(bytes, |depth, token| {
        let owned = match token {
            Token::Simple(line) => Owned::Simple(line.to_vec()),
            Token::Error(line) => Owned::Error(line.to_vec()),
            Token::Integer(number) => Owned::Integer(number),
            Token::Bulk(text) => Owned::Bulk(text.to_vec()),
            Token::Array(items) => Owned::Array(items),
            Token::Nil => Owned::Nil,
        };
        tokens.push((depth, owned));
    });
    (tokens, end.unwrap())
}

fn theirs(value: &Value, depth: usize, tokens: &mut Vec<(usize, Owned)>) {
    let token = match value {
        Value::Nil => Owned::Nil,
        Value::Int(number) => Owned::Integer(*number),
        Value::BulkString(text) => Owned::Bulk(text.clone()),
        Value::SimpleString(line) => Owned::Simple(line.clone().into_bytes()),
        Value::Okay => Owned::Simple(b"OK".to_vec()),
        Value::ServerError(error) => {
            let words = error.details().map(|words| format!(" {words}")).unwrap_or_default();
            Owned::Error(format!("{}{words}", error.code()).into_bytes())
        }
        Value::Array(items) => {
            tokens.push((depth, Owned::Array(items.len() as u64)));
            return items.iter().for_each(|item| theirs(item, depth + 1, tokens));
        }
        other => panic!("no RESP2: {other:?}"),
    };
    tokens.push((depth, token));
}

fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}

/// Any value of RESP2, as bytes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|text| bulk(&text)),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        "[ -~é]{0,12}".prop_map(|line| format!("+{line}\r\n").into_bytes()),
        "(ERR|WRONGTYPE|LOADING|[A-Z]{1,9})( [ -~]{0,12})?"
            .prop_map(|line| format!("-{line}\r\n").into_bytes()),
        Just(b"$-1\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
    ];
    let levels = u32::try_from(MAX_REPLY_NESTING).unwrap();
    leaf.prop_recursive(levels, 64, 6, |inner| vec(inner, 0..6).prop_map(|items| array(&items)))
}

/// What a reply to a read can hold: entries of which some have only their id left, and some are too large.
#[derive(Debug, Clone)]
struct Sent {
    id: StreamId,
    fields: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = || prop_oneof![8 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 0..2 * MAX_ENTRY_BYTES)];
    let fields = prop_oneof![9 => vec((text(), text()), 0..6).prop_map(Some), 1 => Just(None)];
    ((any::<u64>(), any::<u64>()), fields)
        .prop_map(|((ms, seq), fields)| Sent { id: StreamId { ms, seq }, fields })
}

fn reply(stream: &[u8], entries: &[Sent]) -> Vec<u8> {
    let entry = |sent: &Sent| {
        let fields = sent.fields.as_ref().map_or(b"*-1\r\n".to_vec(), |fields| {
            let texts: Vec<_> = fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect();
            array(&texts)
        });
        array(&[bulk(sent.id.to_string().as_bytes()), fields])
    };
    array(&[array(&[bulk(stream), array(&entries.iter().map(entry).collect::<Vec<_>>())])])
}

/// What a walk gave: entries as they are, and of the too large ones the length instead.
#[derive(Debug, PartialEq)]
enum Got {
    Entry(StreamId, Vec<(Vec<u8>, Vec<u8>)>),
    Gone(StreamId),
    Oversized(StreamId, u64, Vec<(Vec<u8>, Vec<u8>)>),
}

/// Feeds a reply in the given cuts, keeping no more than is unused. Gives what came, and the bytes that were left.
fn fed(reply: &[u8], cuts: &[usize]) -> (Vec<Got>, Vec<u8>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (reply.len() + 1)).collect();
    cuts.push(reply.len());
    cuts.sort_unstable();
    let mut walk = ReplyWalk::new(MAX_ENTRY_BYTES);
    let (mut got, mut buffer, mut fed) = (Vec::new(), Vec::new(), 0);
    for cut in cuts {
        buffer.extend_from_slice(&reply[fed..cut]);
        fed = cut;
        loop {
            let (item, used) = walk.next(&buffer).unwrap();
            let item = match item {
                Item::Entry(entry) => {
                    let fields = entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec()));
                    Some(Got::Entry(entry.id, fields.collect()))
                }
                Item::Gone(id) => Some(Got::Gone(id)),
                Item::Oversized(entry) => Some(Got::Oversized(entry.id, entry.len_bytes, entry.fields)),
                Item::Need(more) => {
                    assert!(more > 0 && more <= reply.len() - fed, "{more} of {}", reply.len() - fed);
                    None
                }
                Item::End => return (got, [&buffer[used..], &reply[fed..]].concat()),
                Item::Error(error) => panic!("{error}"),
            };
            buffer.drain(..used);
            match item {
                Some(item) => got.push(item),
                None => {
                    assert!(buffer.len() <= MAX_ENTRY_BYTES + 128, "{} bytes are held", buffer.len());
                    break;
                }
            }
        }
    }
    panic!("the reply has no end");
}

/// The same by the other parser.
fn expected(reply: &[u8]) -> Vec<Got> {
    let text = |value: &Value| match value {
        Value::BulkString(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let items = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        other => panic!("{other:?}"),
    };
    let value = redis::parse_redis_value(reply).unwrap();
    let entries = items(&items(&items(&value)[0])[1]);
    let entry = |entry: &Value| {
        let parts = items(entry);
        let id = StreamId::from_bytes(&text(&parts[0])).unwrap();
        let Value::Array(texts) = &parts[1] else { return Got::Gone(id) };
        let fields: Vec<_> = texts.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        let wire: usize = texts.iter().map(|value| bulk(&text(value)).len()).sum();
        let len: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        // Whether the last end of line is beyond the limit makes no difference.
        if wire.saturating_sub(2) > MAX_ENTRY_BYTES {
            Got::Oversized(id, len as u64, fields)
        } else {
            Got::Entry(id, fields)
        }
    };
    entries.iter().map(entry).collect()
}

proptest! {
    #[test]
    fn any_value_is_read_as_the_other_parser_reads_it(value in value()) {
        let (tokens, end) = ours(&value);
        prop_assert_eq!(end, Scan::Whole((), value.len()));
        let mut expected = Vec::new();
        theirs(&redis::parse_redis_value(&value).unwrap(), 0, &mut expected);
        prop_assert_eq!(tokens, expected);
    }

    #[test]
    fn what_is_lacking_is_never_overstated(value in value(), cut in any::<usize>()) {
        let cut = cut % value.len();
        let (_, end) = ours(&value[..cut]);
        let Scan::Need(more) = end else { panic!("complete at {cut} of {}", value.len()) };
        prop_assert!(more > 0 && more <= value.len() - cut, "{} of {}", more, value.len() - cut);
    }

    #[test]
    fn a_reply_gives_the_same_entries_however_it_is_cut(
        stream in "[a-z:]{1,20}",
        entries in vec(sent(), 0..12),
        cuts in vec(any::<usize>(), 0..20),
        behind in vec(any::<u8>(), 0..5),
    ) {
        let reply = reply(stream.as_bytes(), &entries);
        let expected = expected(&reply);
        prop_assert_eq!(&fed(&[reply.clone(), behind.clone()].concat(), &[]), &(expected, behind));
        prop_assert_eq!(fed(&reply, &cuts).0, fed(&reply, &[]).0);
        let every: Vec<usize> = (0..reply.len()).collect();
        prop_assert_eq!(fed(&reply, &every).0, fed(&reply, &[]).0);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(prop_oneof![any::<u8>(), "[*$:+\r\n0-9-]".prop_map(|c| c.as_bytes()[0])], 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(
        entries in vec(sent(), 0..6),
        damage in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = reply(b"telemetry", &entries);
        for (at, byte) in damage {
            let len = bytes.len();
            bytes[at % len] = byte;
        }
        survives(&bytes);
    }
}

fn survives(bytes: &[u8]) {
    let _ = walk(bytes, |_, _| ());
    let mut walk = ReplyWalk::new(MAX_ENTRY_BYTES);
    let mut at = 0;
    for _ in 0..=bytes.len() {
        match walk.next(&bytes[at..]) {
            Ok((Item::Need(_) | Item::End | Item::Error(_), used)) => {
                assert!(at + used <= bytes.len());
                return;
            }
            Ok((_, used)) => at += used,
            Err(_) => return,
        }
    }
    panic!("the walk goes on without using bytes");
}

#[test]
fn nothing_in_time_and_errors_are_told_apart() {
    for nothing in
        ["*-1\r\n", "$-1\r\n", "*0\r\n", "*1\r\n*2\r\n$1\r\ns\r\n*0\r\n", "*1\r\n*2\r\n$1\r\ns\r\n*-1\r\n"]
    {
        let mut walk = ReplyWalk::default();
        assert!(matches!(walk.next(nothing.as_bytes()), Ok((Item::End, used)) if used == nothing.len()));
    }
    let mut walk = ReplyWalk::default();
    assert!(matches!(walk.next(b"-LOADING wait"), Ok((Item::Need(2), 0))));
    match walk.next(b"-LOADING wait\r\n*") {
        Ok((Item::Error(error), 15)) => assert_eq!(error.kind, ServerErrorKind::Loading),
        other => panic!("{other:?}"),
    }
    for wrong in
        ["+OK\r\n", ":1\r\n", "*2\r\n", "*1\r\n*1\r\n", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$1\r\n1\r\n"]
    {
        assert!(ReplyWalk::default().next(wrong.as_bytes()).is_err(), "{wrong:?}");
    }
}

#[test]
fn of_an_entry_that_is_passed_over_the_beginning_is_kept() {
    let id = StreamId { ms: 5, seq: 1 };
    let value: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let fields = vec![(b"device_id".to_vec(), b"3563".to_vec()), (b"payload".to_vec(), value.clone())];
    let reply = reply(b"s", &[Sent { id, fields: Some(fields) }]);
    let cuts: Vec<usize> = (0..reply.len()).step_by(997).collect();
    let (got, _) = fed(&reply, &cuts);
    let [Got::Oversized(of, len, kept)] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!((*of, *len), (id, 100_020));
    assert_eq!(kept.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>(), OVERSIZE_HEAD_BYTES);
    assert_eq!(kept[0], (b"device_id".to_vec(), b"3563".to_vec()));
    assert_eq!(kept[1].1, value[..OVERSIZE_HEAD_BYTES - 20]);
}
