#!/usr/bin/env bash
# What each part of the method adds: what `carl benchmark` prints for every variant. Further options are those of carl benchmark.
#   scripts/study.sh ablation --train-sizes 78,156 [--set model.hidden=32 ...]
#   scripts/study.sh choices --train-sizes 20,39,78,156      cells drawn or chosen
#   scripts/study.sh targets --train-sizes 78,156
#   scripts/study.sh columns --train-sizes 20,78             numbers that are known of all cells
#   scripts/study.sh shifts --train-sizes 156                with --json also over how many cells
#   scripts/study.sh sources --train-sizes 20,78             a checkpoint of CIFAR-10 helps with other data sets
set -euo pipefail
cd "$(dirname "$0")/.."
study=${1:?"usage: scripts/study.sh ablation|choices|targets|columns|shifts|sources [options of carl benchmark]"}
shift
options=("$@")
carl=${CARL:-target/release/carl}
config=${CONFIG:-configs/nasbench201.yaml}

# variant NAME [KEY=VALUE ...]
variant() {
  local settings=() setting
  printf '\n%s\n' "$1"
  for setting in "${@:2}"; do settings+=(--set "$setting"); done
  "$carl" benchmark "$config" "${options[@]}" "${settings[@]}"
}

of() { echo "data.train_target=$1_val data.test_target=$1_test"; }

plain=loss.distillation=0
no_intervention="loss.intervention=0 loss.redundant=0"
no_mask="model.mask=none $no_intervention"
# Settings hold no spaces here, and are split where they are not quoted.
case $study in
  ablation)
    variant "as configured"
    variant "without distillation (all below too)" $plain
    variant "cells as they are written" $plain graph.form=written
    variant "no mask" $plain $no_mask
    variant "no intervention" $plain $no_intervention
    variant "1 partner" $plain loss.partners=1
    variant "all partners" $plain loss.partners=all
    variant "regression" $plain loss.ranking=0 loss.regression=1
    variant "ranking and regression" $plain loss.regression=0.3
    for count in 1 5 10; do variant "members: $count" $plain model.members=$count; done ;;
  choices)
    variant "drawn" split.choose=random
    variant "chosen" split.choose=coverage ;;
  targets)
    for data in c10 c100 in16; do variant $data $(of $data); done ;;
  columns)
    variant "the cell alone" "data.columns=[]"
    variant "parameters, FLOPs" "data.columns=[params_m_c10, flops_m_c100]"
    variant "Zen score" "data.columns=[zen_c10]"
    variant "accuracy after 12 epochs" "data.columns=[c10_val_e12]" ;;
  shifts)
    for shift in small:params_m_c10 low few:nor_conv_3x3 without:nor_conv_3x3; do
      options=("$@" --shift "$shift")
      variant "$shift: with mask and intervention" $plain
      variant "$shift: strong: redundant loss, all partners" $plain loss.redundant=1 loss.partners=all
      variant "$shift: without intervention" $plain $no_intervention
      variant "$shift: without mask" $plain $no_mask
      variant "$shift: with distillation" loss.distillation=1
    done ;;
  sources)
    source=$(mktemp -d)
    trap 'rm -rf "$source"' EXIT
    # Its split is none of those that are reported.
    "$carl" train "$config" --output "$source" --force --set data.train_target=c10_val --set data.test_target=c10_test \
      --set split.train=156 --set split.seed=900 > /dev/null
    for data in c100 in16; do
      variant "$data, no source" $(of $data)
      variant "$data, source c10" $(of $data) "data.sources=[$source]"
    done ;;
  *) echo "study: no study is called $study" >&2; exit 2 ;;
esac
