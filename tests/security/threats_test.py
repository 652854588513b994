# SPDX-License-Identifier: Apache-2.0
"""What is wrong between docs/security.md and the tests is told, each kind of it."""

import tempfile
import unittest
from pathlib import Path

import threats


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cases = self.folder / "some_test.cpp"
        self.script = self.folder / "day.py"
        self.write(self.cases, *(f'TEST_CASE("one {n}", "[T{n:02}]") {{\n' for n in range(1, 28)))
        self.write(self.script, 'def first():\n    """Words. [T03]"""\n')
        self.known = {"some_test": [self.cases], "e2e_day": [self.script], "bytes_fuzz": None}

    def write(self, path, *lines):
        path.write_text("".join(lines))

    def document(self, change=lambda n, text: text):
        def row(n):
            tests = "`some_test`, `e2e_day`, `bytes_fuzz`" if n == 3 else "`some_test`"
            return change(n, f"### T{n}: It isn't so\n\n**Threat.** a\nb\n\n**Defence.** `x` and\nmore\n\n**Tests.** {tests}\n\n**Left.** c\n\n")
        return "# Title\n\n" + "".join(row(n) for n in range(1, 28)) + "## After\n\n**Tests.** `nothing`\n"

    def told(self, change=lambda n, text: text):
        return threats.faults(self.document(change), self.known, self.folder)

    def test_what_agrees_has_no_fault(self):
        self.assertEqual(self.told(), [])
        self.assertEqual(threats.rows(self.document())[4].name, "T05_it_isnt_so")

    def test_a_row_less_or_twice(self):
        self.assertIn("must be T1 to T27", self.told(lambda n, text: "" if n == 9 else text)[0])
        self.assertIn("must be T1 to T27", self.told(lambda n, text: text * 2 if n == 9 else text)[0])

    def test_a_part_that_is_missing_or_empty(self):
        self.assertEqual(self.told(lambda n, text: text.replace("**Left.** c", "") if n == 9 else text), ['T09 has no part "Left"'])

    def test_no_test_and_none_that_there_is(self):
        told = self.told(lambda n, text: text.replace("`some_test`", "words") if n == 9 else text)
        self.assertIn("T09 has no test", told)
        self.assertIn("T09: there is no test gone_test", self.told(lambda n, text: text.replace("`some_test`", "`some_test`, `gone_test`") if n == 9 else text))

    def test_a_test_without_a_case_of_the_row(self):
        self.write(self.cases, *(f'TEST_CASE("one {n}",\n          "[x][T{n:02}]") {{\n' for n in range(1, 28) if n != 9), '// [T09]\n')
        self.assertEqual(self.told(), ["T09: no case of some_test has the tag [T09]"])
        self.write(self.script, '# [T03]\ndef first():\n    """Words."""\n')
        self.assertIn("T03: no case of e2e_day has the tag [T03]", self.told())

    def test_a_tag_that_no_row_tells_of(self):
        self.write(self.script, 'def first():\n    """Words. [T03][T04]"""\ndef second():\n    """[T28]"""\n')
        told = self.told()
        self.assertTrue(told[0].startswith("T04: cases of ") and "names no test of that file" in told[0], told)
        self.assertTrue(told[1].endswith("there is no T28"), told)

    def test_a_defence_that_is_not_there(self):
        self.assertEqual(self.told(lambda n, text: text.replace("`x`", "`broker/gone.cpp`") if n == 9 else text), ["T09: there is no broker/gone.cpp"])


if __name__ == "__main__":
    unittest.main()
