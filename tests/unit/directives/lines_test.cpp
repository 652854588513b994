// SPDX-License-Identifier: Apache-2.0
#include "broker/directives/lines.hpp"

#include <catch2/catch.hpp>

using namespace hansa::directives;

namespace {

/// "2: a|b c; 3: ..."
std::string read(std::string_view script, Dialect dialect) {
  std::string text;
  Lines lines(script, dialect);
  while (const auto line = lines.next()) {
    text += (text.empty() ? "" : "; ") + std::to_string(line->number) + ":";
    for (const auto& word : line->words) text += (&word == line->words.data() ? " " : "|") + word;
    if (!line->fault.empty()) text += " !";
  }
  return text;
}

struct WordsRow {
  std::string_view script;
  std::string_view slurm;
  std::string_view pbs;
};

}  // namespace

TEST_CASE("words as sbatch and qsub see them") {
  const WordsRow kTable[] = {
      {"", "", ""},
      {"#!/bin/sh", "", ""},
      {"#SBATCH a\n#PBS b", "1: a", "2: b"},
      {"#SBATCH", "1:", ""},
      {"#SBATCHa b", "1: a|b", ""},
      {"#PBSa b", "", "1: a|b"},
      {" #SBATCH a\n #PBS b", "", "2: b"},
      {"#!\n\n  \n#x\n#SBATCH a\n#PBS b\nx\n#SBATCH c\n#PBS d", "5: a", "6: b"},
      {":\n#SBATCH a\n#PBS b", "", "3: b"},
      {"#SBATCH 'a b' \"c 'd'\" e'f g'h\n#PBS 'a b' \"c 'd'\" e'f g'h", "1: a b|c 'd'|ef gh", "2: a b|c 'd'|ef gh"},
      {"#SBATCH a\\'b c\\\\d\n#PBS a\\'b c\\\\d", "1: a'b|c\\d", "2: a'b|c\\d"},
      // A backslash keeps a blank for qsub alone, and is plain in its quotes.
      {"#SBATCH a\\ b \"c\\\"d\"\n#PBS a\\ b \"c\\d\"", "1: a|b|c\"d", "2: a b|c\\d"},
      {"#SBATCH a #b\n#PBS a #b", "1: a", "2: a|#b"},
      {"#SBATCH a#b '#c'\n#PBS a#b", "1: a", "2: a#b"},
      {"#SBATCH 'a\n#PBS \"a", "1: !", "2: !"},
      {"#SBATCH a \\\n#PBS a \\\n  b\\\nc\n#PBS d", "1: a", "2: a|bc; 5: d"},
      {"#SBATCH a\r\n#PBS b\r\n", "1: !", "2: !"},
      {"#PBS a\\", "", "1: a"},
      {"#SBATCH '' \\\n#PBS '' b", "1: ", "2: |b"},
  };
  for (const auto& row : kTable) {
    INFO(row.script);
    CHECK(read(row.script, Dialect::slurm) == row.slurm);
    CHECK(read(row.script, Dialect::pbs) == row.pbs);
  }
}
