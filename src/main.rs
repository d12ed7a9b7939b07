//! temporary driver
use carl::*;
fn main(){
    let args:Vec<String>=std::env::args().collect();
    let config=config::Config::load(std::path::Path::new(&args[1]),&args[4..]).unwrap();
    let space=space::nasbench201::NasBench201::default();
    let t=std::time::Instant::now();
    let dataset=dataset::Dataset::open(&config,&space).unwrap();
    eprintln!("load {:?} functions {}",t.elapsed(),dataset.architectures.functions.len());
    let cand=dataset.labelled();
    let k:u64=args[3].parse().unwrap();
    for size in args[2].split(','){
        let splits:Vec<_>=(0..k).map(|s|split::Split::draw(&cand,size.parse().unwrap(),0,1000+s).unwrap()).collect();
        let o=protocol::run(&config,&dataset,&splits,space::Space::vocabulary(&space).len(),1,protocol::Machine{device:tch::Device::Cpu,threads:2},&std::sync::atomic::AtomicBool::new(false),&source::Silent).unwrap();
        println!("{size}: tau {:.4} +- {:.4} spearman {:.4} train {:.1}s score {:.1}s",o.kendall_tau.mean,o.kendall_tau.std,o.spearman.mean,o.train_seconds,o.score_seconds);
    }
}
