# SPDX-License-Identifier: Apache-2.0
"""The checks of the tree find what they are there to find."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


class Checks(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="grapevine-test-")
        self.addCleanup(holder.cleanup)
        self.root = pathlib.Path(holder.name)
        (self.root / "tools").mkdir()
        shutil.copy(TOOLS / "layers.txt", self.root / "tools")

    def write(self, file, text):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def complaint(self, tool):
        done = subprocess.run([TOOLS / tool, self.root], capture_output=True, text=True)
        self.assertEqual(done.returncode != 0, bool(done.stderr))
        return done.stderr

    def complaint_about(self, file, text):
        self.write(file, LICENCE + text)
        return self.complaint("check_includes.py")

    def test_arrows_point_one_way(self):
        self.assertEqual(self.complaint_about(
            "broker/session/a.cpp", '#include "broker/mqtt/packet.hpp"\n#include <vector>\n'), "")
        self.assertIn("broker/session/a.cpp:2: broker/session may not include",
                      self.complaint_about("broker/session/a.cpp",
                                           '#include "broker/router/router.hpp"\n'))
        self.assertIn("not a full path",
                      self.complaint_about("broker/session/a.cpp", '#include "front.hpp"\n'))
        self.assertIn("has no row", self.complaint_about("elsewhere/a.cpp", ""))

    def test_third_parties_stay_at_home(self):
        self.assertIn("only in: base/log.cpp",
                      self.complaint_about("broker/mqtt/a.hpp", "#include <spdlog/spdlog.h>\n"))
        self.assertIn("<boost/asio/post.hpp>",
                      self.complaint_about("broker/mqtt/a.hpp", "#include <boost/asio/post.hpp>\n"))

    def test_an_exception_needs_a_reason(self):
        layers = self.root / "tools" / "layers.txt"
        text = layers.read_text()
        include = '#include "broker/router/router.hpp"\n'
        layers.write_text(text + 'except broker/mqtt/a.hpp "broker/router/router.hpp": it must\n')
        self.assertEqual(self.complaint_about("broker/mqtt/a.hpp", include), "")
        layers.write_text(text + 'except broker/mqtt/a.hpp "broker/router/router.hpp":\n')
        self.assertIn("with a reason", self.complaint_about("broker/mqtt/a.hpp", include))

    def test_production_code_does_not_know_tests(self):
        word = "TESTING"
        self.assertIn("asks the preprocessor",
                      self.complaint_about("base/a.hpp", f"#ifdef {word}\n#endif\n"))
        self.assertIn("asks the preprocessor",
                      self.complaint_about("base/a.hpp", f"#if defined({word})\n#endif\n"))

    def test_a_temporary_beside_co_await(self):
        self.assertIn("base/a.cpp", self.complaint_about(
            "base/a.cpp", "task f() {\n    co_await send(request{.name = text});\n}\n"))
        self.assertEqual(self.complaint_about(
            "base/a.cpp", "task f() {\n    request made{.name = text};\n"
            "    co_await send(std::move(made));\n}\n"), "")

    def test_the_licence_comes_first(self):
        self.write("base/a.cpp", "int x;\n")
        self.assertIn("SPDX", self.complaint("check_includes.py"))

    def test_paths_of_a_machine(self):
        self.write("a.txt", "topic home/kitchen and $share/g/home/x, /usr/share/nodejs\n")
        self.assertEqual(self.complaint("check_paths.sh"), "")
        self.write("a.txt", "see /" + "home/somebody/notes\n")
        self.assertIn("a.txt:1", self.complaint("check_paths.sh"))

    def test_the_map_and_the_folders(self):
        for folder in ("broker/mqtt", "bench", "docs", "deploy"):
            (self.root / folder).mkdir(parents=True)
        self.write("CHANGELOG.md", "")
        rows = "broker/  a\nbroker/mqtt/  b\nbench/  c\ndocs/  d\ndeploy/  e\ntools/  f\n"
        self.write("README.md", "## The tree\n" + rows)
        self.assertEqual(self.complaint("check_docs.sh"), "")
        self.write("README.md", "## The tree\n" + rows.replace("broker/mqtt/", "broker/amqp/"))
        self.assertIn("broker/amqp/ does not exist", self.complaint("check_docs.sh"))
        self.assertIn("broker/mqtt/ is not named", self.complaint("check_docs.sh"))
        self.write("README.md", "[gone](docs/gone.md)\n## The tree\n" + rows)
        self.assertIn("docs/gone.md does not exist", self.complaint("check_docs.sh"))
