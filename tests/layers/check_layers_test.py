#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants each fault in a small tree and sees it found; and sees that what is allowed is not."""

import tempfile
import unittest
from pathlib import Path

import check_layers


class Layers(unittest.TestCase):
    def faults(self, files, readme=True):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
                if readme and check_layers.room_of(path):
                    (root / check_layers.room_of(path) / "README.md").write_text("what it is\n")
            return check_layers.check(root)

    def expect(self, files, where, what, **more):
        faults = self.faults(files, **more)
        self.assertEqual(len(faults), 1, faults)
        self.assertTrue(faults[0].startswith(where + ": "), faults[0])
        self.assertIn(what, faults[0])

    def test_a_forbidden_include_is_found_at_its_line(self):
        self.expect({"broker/domain/job.hpp": '#pragma once\n\n#include "broker/store/sqlite.hpp"\n'},
                    "broker/domain/job.hpp:3", "broker/domain must not include broker/store")

    def test_the_relation_is_transitive(self):
        self.assertEqual(self.faults({"broker/engine/loop.cpp": '#include "broker/core/error.hpp"\n#include "policies/rules/rule.hpp"\n'}), [])

    def test_but_not_backwards(self):
        self.expect({"broker/ports/site.hpp": '#include "broker/engine/engine.hpp"\n'}, "broker/ports/site.hpp:1", "must not include")

    def test_connectors_do_not_know_each_other(self):
        self.expect({"connectors/slurm/slurm.cpp": '#include "connectors/pbs/pbs.hpp"\n'}, "connectors/slurm/slurm.cpp:1", "connectors/pbs")

    def test_only_app_may_use_all(self):
        self.assertEqual(self.faults({"broker/app/main.cpp": '#include "broker/store/sqlite.hpp"\n#include "connectors/slurm/slurm.hpp"\n'}), [])

    def test_a_commented_include_is_none(self):
        self.assertEqual(self.faults({"broker/core/a.hpp": '// #include "broker/app/x.hpp"\n/*\n#include "broker/app/y.hpp"\n*/\n'}), [])

    def test_an_include_from_elsewhere_than_the_root(self):
        self.expect({"broker/core/a.cpp": '#include "a.hpp"\n'}, "broker/core/a.cpp:1", "root")

    def test_the_product_does_not_include_tests(self):
        self.expect({"broker/app/a.cpp": '#include "tests/data/a.hpp"\n'}, "broker/app/a.cpp:1", "includes a test")

    def test_a_folder_that_is_no_room(self):
        self.expect({"broker/util/things.hpp": ""}, "broker/util/things.hpp:1", "no room")

    def test_a_room_without_a_readme(self):
        self.expect({"broker/core/a.hpp": ""}, "broker/core:1", "README", readme=False)

    def test_a_circle(self):
        self.expect({"broker/core/a.hpp": '#include "broker/core/b.hpp"\n', "broker/core/b.hpp": '#include "broker/core/c.hpp"\n',
                     "broker/core/c.hpp": '#include "broker/core/b.hpp"\n'}, "broker/core/b.hpp:1", "circle")

    def test_time_randomness_and_shells_have_their_places(self):
        for line, what in (("auto t = std::chrono::steady_clock::now();", "clock"), ("auto t = Clock::time_point(my_clock::now());", "clock"),
                           ("long t = time(nullptr);", "clock"), ("std::this_thread::sleep_for(1s);", "sleeping"), ("usleep(5);", "sleeping"),
                           ("std::random_device seed;", "random_device"), ("co_spawn(x, f(), asio::detached);", "TaskGroup"),
                           ("thread.detach();", "TaskGroup"), ("std::regex words(x);", "backtracks"), ('std::system("ls");', "shell"), ('::popen("ls", "r");', "shell")):
            with self.subTest(line):
                self.expect({"broker/engine/a.cpp": f"\n{line}\n"}, "broker/engine/a.cpp:2", what)

    def test_the_one_place_for_time(self):
        self.assertEqual(self.faults({"broker/async/real_scheduler.cpp": "auto t = std::chrono::system_clock::now();\n"}), [])
        self.assertEqual(self.faults({"connectors/switch/main.cpp": "usleep(1);\n"}), [])
        self.assertEqual(len(self.faults({"connectors/switch/main.cpp": "popen(0, 0);\n"})), 1)

    def test_words_in_comments_strings_and_names_are_not_calls(self):
        self.assertEqual(self.faults({"broker/engine/a.cpp": """
            // nothing here is detached; we never call system("x")
            auto text = "sleep(3) detached"; auto raw = R"(popen(x))"; char c = '"'; int big = 1'000'000;
            boost::system::error_code e; sleep_until(t); file_system(x); run_time(0); a.system(1); Clock::now_utc();
            """}), [])

    def test_the_table_itself_has_no_circle_and_no_unknown_room(self):
        table = {room: [r for r in uses if r != check_layers.ALL] for room, uses in check_layers.MAY_USE.items()}
        self.assertIsNone(check_layers.find_circle({room: set(uses) for room, uses in table.items()}))
        for room, uses in table.items():
            self.assertLessEqual(set(uses), set(table), room)


if __name__ == "__main__":
    unittest.main()
