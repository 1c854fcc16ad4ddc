// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/disk_journal.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace gv::storage {

namespace {

constexpr std::size_t page_size = 4096;

enum class lost_bytes : std::uint8_t { all, suffix, pages };
enum class lost_names : std::uint8_t { suffix, suffix_since_file_sync, subset };

} // namespace

inode_number disk_journal::create(const std::string& name) {
    events_.push_back({.what = kind::create, .inode = next_, .name = name});
    return next_++;
}

void disk_journal::link(inode_number inode, const std::string& name) {
    events_.push_back({.what = kind::link, .inode = inode, .name = name});
}

void disk_journal::rename(inode_number inode, const std::string& from, const std::string& to) {
    events_.push_back({.what = kind::rename, .inode = inode, .name = from, .to = to});
}

void disk_journal::remove(inode_number inode, const std::string& name) {
    events_.push_back({.what = kind::remove, .inode = inode, .name = name});
}

void disk_journal::write(inode_number inode, std::uint64_t offset, std::string_view data) {
    events_.push_back(
        {.what = kind::write, .inode = inode, .name = std::string(data), .at = offset});
}

void disk_journal::truncate(inode_number inode, std::uint64_t size) {
    events_.push_back({.what = kind::truncate, .inode = inode, .at = size});
}

void disk_journal::sync(inode_number inode) {
    events_.push_back({.what = kind::sync, .inode = inode});
}

void disk_journal::fail_sync(inode_number inode) {
    events_.push_back({.what = kind::failed_sync, .inode = inode});
}

void disk_journal::sync_directory() { events_.push_back({.what = kind::directory_sync}); }

/// The journal as one loss of power sees it.
class crash_view {
  public:
    crash_view(const disk_journal& journal, const crash_options& options)
        : journal_(journal), options_(options), random_(options.seed),
          bytes_(static_cast<lost_bytes>(random_() % 3)),
          names_(static_cast<lost_names>(random_() % 3)), files_(journal.next_) {}

    disk_image image() {
        const auto end = std::min(options_.at, journal_.events_.size());
        for (std::size_t i = 0; i < end; ++i) {
            take(i);
        }
        keep_some_names();
        disk_image result;
        for (const auto& [name, inode] : surviving_names()) {
            result.emplace(name, content(files_[inode]));
        }
        return result;
    }

  private:
    using event = disk_journal::event;
    using kind = disk_journal::kind;

    struct file {
        std::vector<std::size_t> changes; // events
        std::size_t durable = 0;          // changes that a sync covered
        bool is_log = false;
        bool lost_pages = false;
    };
    struct name_change {
        std::size_t event;
        bool kept;
    };

    void take(std::size_t index) {
        const auto& each = journal_.events_[index];
        switch (each.what) {
        case kind::create:
            files_[each.inode].is_log = each.name.ends_with(".log");
            changes_.push_back({index, false});
            break;
        case kind::link:
        case kind::rename:
        case kind::remove:
            changes_.push_back({index, false});
            break;
        case kind::write:
        case kind::truncate:
            files_[each.inode].changes.push_back(index);
            break;
        case kind::sync:
            sync(each.inode);
            break;
        case kind::failed_sync:
            files_[each.inode].lost_pages = true;
            break;
        case kind::directory_sync:
            if (options_.honesty != sync_honesty::all_lie) {
                commit([](const event&) { return true; });
            }
            break;
        }
    }

    void sync(inode_number inode) {
        auto& synced = files_[inode];
        const bool lies = options_.honesty == sync_honesty::all_lie
                          || (options_.honesty == sync_honesty::log_lies && synced.is_log);
        if (lies || synced.lost_pages) {
            return;
        }
        synced.durable = synced.changes.size();
        if (names_ == lost_names::suffix_since_file_sync) {
            commit([](const event&) { return true; });
        } else if (names_ == lost_names::subset) {
            commit([inode](const event& each) {
                return each.inode == inode && each.what == kind::create;
            });
        }
    }

    template <typename Predicate>
    void commit(Predicate&& is_covered) {
        for (auto& change : changes_) {
            change.kept = change.kept || is_covered(journal_.events_[change.event]);
        }
    }

    void keep_some_names() {
        if (names_ == lost_names::subset) {
            for (auto& change : changes_) {
                change.kept = change.kept || random_() % 2 == 0;
            }
            return;
        }
        const auto first = std::ranges::find(changes_, false, &name_change::kept);
        const auto open = static_cast<std::size_t>(changes_.end() - first);
        std::for_each_n(first, up_to(open), [](name_change& change) { change.kept = true; });
    }

    /// 0 and `most` themselves are as likely as all between them together.
    std::size_t up_to(std::size_t most) {
        switch (random_() % 3) {
        case 0:
            return 0;
        case 1:
            return most;
        default:
            return random_() % (most + 1);
        }
    }

    std::map<std::string, inode_number> surviving_names() const {
        std::map<std::string, inode_number> names;
        for (const auto& change : changes_) {
            if (change.kept) {
                apply(journal_.events_[change.event], names);
            }
        }
        return names;
    }

    static void apply(const event& each, std::map<std::string, inode_number>& names) {
        if (each.what == kind::create || each.what == kind::link) {
            names[each.name] = each.inode;
            return;
        }
        const auto found = names.find(each.name);
        if (found == names.end() || found->second != each.inode) {
            return; // the name it speaks of was itself lost
        }
        names.erase(found);
        if (each.what == kind::rename) {
            names[each.to] = each.inode;
        }
    }

    std::string content(const file& of) {
        std::string safe;
        for (std::size_t i = 0; i < of.durable; ++i) {
            change(safe, journal_.events_[of.changes[i]]);
        }
        if (bytes_ == lost_bytes::all || of.durable == of.changes.size()) {
            return safe;
        }
        auto whole = safe;
        for (auto i = of.durable; i < of.changes.size(); ++i) {
            change(whole, journal_.events_[of.changes[i]]);
        }
        return bytes_ == lost_bytes::suffix ? prefix_of(safe, whole) : some_pages(safe, whole);
    }

    static void change(std::string& bytes, const event& each) {
        if (each.what == kind::truncate) {
            bytes.resize(each.at);
            return;
        }
        bytes.resize(std::max<std::size_t>(bytes.size(), each.at + each.name.size()));
        bytes.replace(each.at, each.name.size(), each.name);
    }

    std::string prefix_of(const std::string& safe, std::string whole) {
        if (whole.size() > safe.size()) {
            whole.resize(safe.size() + up_to(whole.size() - safe.size()));
        }
        return whole;
    }

    std::string some_pages(const std::string& safe, std::string whole) {
        for (std::size_t page = 0; page < whole.size(); page += page_size) {
            const auto length = std::min(page_size, whole.size() - page);
            if (random_() % 2 == 0) {
                auto before = page < safe.size() ? safe.substr(page, length) : std::string();
                before.resize(length);
                whole.replace(page, length, before);
            }
        }
        return whole;
    }

    const disk_journal& journal_;
    crash_options options_;
    std::mt19937_64 random_;
    lost_bytes bytes_;
    lost_names names_;
    std::vector<file> files_;
    std::vector<name_change> changes_;
};

disk_image disk_journal::image_after(const crash_options& options) const {
    return crash_view(*this, options).image();
}

} // namespace gv::storage
