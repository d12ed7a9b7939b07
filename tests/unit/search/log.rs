//! Logs that are cut, damaged, in use, or of another search.

use crate::error::Position;
use crate::graph::Graph;
use crate::search::log::LogHeader;
use crate::search::{Log, Proposal, Reason, SearchCell};

fn header(seed: u64, command: &str) -> LogHeader {
    let (objectives, config) = (vec!["val".to_string()], "space: nasbench201\n".to_string());
    LogHeader::new("nasbench201", objectives, seed, config, String::new(), command.to_string())
}

fn proposal(text: &str) -> Proposal {
    let cell = SearchCell { text: text.to_string(), graph: Graph::default(), written: Vec::new(), key: Box::default() };
    Proposal::full(cell, Reason::Proposed)
}

#[test]
fn a_log_survives_being_cut_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = Log::create(&path, &header(1, "cmd")).unwrap();
    log.ask(&proposal("a")).unwrap();
    log.ask(&proposal("b")).unwrap();
    log.answer(1, &Ok(vec![0.1 + 0.2]), 1.0).unwrap();
    log.answer(0, &Err("exit status 1".to_string()), 1.0).unwrap();
    drop(log);
    let bytes = std::fs::read(&path).unwrap();
    let mut counts = Vec::new();
    for length in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let log = Log::resume(&path, &header(1, "cmd")).unwrap();
        counts.push(log.order.len());
        if log.order.len() == 2 {
            assert_eq!(log.order, [1, 0]);
            assert_eq!(log.queries[1].answer, Some(Ok(vec![0.1 + 0.2])));
            assert_eq!(log.queries[0].answer, Some(Err("exit status 1".to_string())));
        }
        drop(log);
        assert!(std::fs::read(&path).unwrap().ends_with(b"\n"));
    }
    assert!(counts.is_sorted() && counts[0] == 0 && counts[bytes.len()] == 2);
}

#[test]
fn another_search_and_damage_are_refused_but_not_another_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = Log::create(&path, &header(1, "cmd")).unwrap();
    assert!(Log::create(&path, &header(1, "cmd")).unwrap_err().advice().unwrap().contains("--resume"));
    assert!(Log::resume(&path, &header(1, "cmd")).unwrap_err().advice().unwrap().contains("another search"));
    drop(log);
    assert!(Log::resume(&path, &header(2, "cmd")).unwrap_err().message().contains("seed"));
    assert!(Log::resume(&path, &header(1, "")).unwrap_err().message().contains("oracle"));
    assert!(Log::resume(&path, &header(1, "repaired")).is_ok());
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += "{\"answered\":0,\"arch\":\"a\",\"values\":[1.0],\"seconds\":0.0}\n";
    std::fs::write(&path, &text).unwrap();
    let error = Log::resume(&path, &header(1, "cmd")).unwrap_err();
    assert_eq!(error.position(), Some(Position::Line(2)));
    assert!(error.message().contains("not asked for"));
}

#[test]
fn a_failed_query_is_asked_once_more_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = Log::create(&path, &header(1, "cmd")).unwrap();
    log.ask(&proposal("a")).unwrap();
    log.ask(&proposal("b")).unwrap();
    log.answer(0, &Err("no device".to_string()), 1.0).unwrap();
    log.answer(1, &Ok(vec![1.0]), 1.0).unwrap();
    assert_eq!(log.retry_failed().unwrap(), 1);
    assert_eq!((log.order.clone(), log.queries[2].arch.as_str()), (vec![1], "a"));
    log.answer(2, &Ok(vec![2.0]), 1.0).unwrap();
    drop(log);
    let log = Log::resume(&path, &header(1, "cmd")).unwrap();
    assert_eq!(log.order, [1, 2]);
}

#[test]
fn a_log_in_memory_reads_as_a_file_does_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut kept = Log::create(&path, &header(1, "cmd")).unwrap();
    let mut log = Log::in_memory(b"", &header(1, "cmd")).unwrap();
    for log in [&mut kept, &mut log] {
        log.ask(&proposal("a")).unwrap();
        log.answer(0, &Ok(vec![0.5]), 1.0).unwrap();
    }
    assert_eq!(log.text(), std::fs::read(&path).unwrap());
    let cut = [log.text(), b"{\"asked\":1,\"ar"].concat();
    let again = Log::in_memory(&cut, &header(1, "cmd")).unwrap();
    assert_eq!((again.text(), &again.queries), (log.text(), &log.queries));
    assert_eq!(LogHeader::read(std::str::from_utf8(log.text()).unwrap()).unwrap(), header(1, "cmd"));
    let error = Log::in_memory(log.text(), &header(2, "cmd")).unwrap_err();
    assert_eq!((error.position(), error.message().contains("seed")), (Some(Position::Line(1)), true));
}
