// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/software.hpp"

#include "broker/core/suggest.hpp"
#include "broker/domain/dataset.hpp"

#include <algorithm>

namespace hansa::domain {
namespace {

constexpr std::size_t kMaxToldImageBytes = 4'096 + kMaxImageBytes;  // a path at a site before it
constexpr std::string_view kDigestMark = "@sha256:";
constexpr std::string_view kRegistries[] = {"oras://", "docker://"};

bool is_plain(char c, std::string_view others) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.contains(c);
}
bool all_plain(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_plain(c, others); });
}

bool steps_up(std::string_view path) {
  return path == ".." || path.starts_with("../") || path.ends_with("/..") || path.contains("/../");
}

/// Of a site's own naming, as a dataset's folders there are called: handed on as bytes, never as a shell's words.
bool is_path_at_site(std::string_view path) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return path != "/" && !steps_up(path) && std::ranges::none_of(path, is_control);
}

/// Nothing that a bind's own syntax, a shell or an option's could be read into.
bool is_path(std::string_view path) {
  return !path.empty() && path.front() != '-' && path != "/" && all_plain(path, "._/@+-") && !steps_up(path);
}

bool is_beneath(std::string_view path, std::string_view folder) {
  while (folder.ends_with('/')) folder.remove_suffix(1);
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string listed(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

}  // namespace

DatasetId image_dataset(std::string_view image) {
  if (!image.starts_with(kImageOfData)) return {};
  image.remove_prefix(kImageOfData.size());
  return DatasetId(std::string(image.substr(0, image.find('/'))));
}

std::string image_at(std::string_view image, std::string_view path) {
  image.remove_prefix(std::min(kImageOfData.size(), image.size()));
  const auto beneath = image.substr(std::min(image.find('/'), image.size()));
  return std::string(kImageOfData).append(path).append(beneath);
}

std::string_view image_path(std::string_view image) {
  if (!image.starts_with(kImageOfData)) return {};
  image.remove_prefix(kImageOfData.size());
  return image.starts_with('/') ? image : std::string_view();
}

std::string image_fault(std::string_view image) {
  constexpr std::string_view kForms =
      "write oras://HOST/NAME@sha256:DIGEST, docker://NAME@sha256:DIGEST, /PATH/AT/THE/SITE.sif@sha256:DIGEST, code:PATH.sif (of "
      "the job's code) or data:DATASET/PATH.sif";
  if (image.size() > kMaxImageBytes) return "is longer than " + std::to_string(kMaxImageBytes) + " bytes";
  if (image.starts_with(kImageOfCode)) {
    image.remove_prefix(kImageOfCode.size());
    if (is_path(image) && image.front() != '/') return {};
    return "names no file of the job's code: a path beneath it of letters, digits and ._/@+-, without \"..\"";
  }
  if (image.starts_with(kImageOfData)) {
    const auto dataset = image_dataset(image);
    image.remove_prefix(kImageOfData.size() + dataset.str().size());
    if (is_dataset_id(dataset.str()) && (image.empty() || (image.size() > 1 && is_path(image.substr(1)) && image[1] != '/')))
      return {};
    return "names no file of a dataset: data:DATASET, or data:DATASET/PATH of letters, digits and ._/@+- without \"..\"";
  }
  const auto registry = std::ranges::find_if(kRegistries, [&](std::string_view prefix) { return image.starts_with(prefix); });
  const bool is_file = image.starts_with('/');
  if (!is_file && registry == std::end(kRegistries)) return "is no image that Hansa starts; " + std::string(kForms);
  const auto mark = image.rfind(kDigestMark);
  if (mark == std::string_view::npos) {
    return std::string("is not pinned by its digest, so that nobody could say what ran; ") +
           (is_file ? "add @sha256: and what sha256sum says of the file"
                    : "add @sha256: and what the registry calls it, as oras manifest fetch --descriptor or skopeo inspect tells");
  }
  const auto digest = image.substr(mark + kDigestMark.size());
  if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return "has no digest of 64 lower-case hexadecimal digits behind @sha256:";
  const auto name = image.substr(is_file ? 0 : registry->size(), mark - (is_file ? 0 : registry->size()));
  if (is_file ? !is_path(name) : name.empty() || name.front() == '-' || !all_plain(name, "._/:+-") || steps_up(name))
    return "holds other than letters, digits and ._/+-, or a \"..\"; " + std::string(kForms);
  return {};
}

std::string bind_fault(std::string_view bind) {
  constexpr std::string_view kForm =
      "must be SOURCE, SOURCE:TARGET or SOURCE:TARGET:ro, of paths of letters, digits and ._/@+- without \"..\"";
  if (bind.size() > kMaxBindBytes) return "is longer than " + std::to_string(kMaxBindBytes) + " bytes";
  auto rest = bind;
  const auto cut = [&] {
    const auto colon = std::min(rest.find(':'), rest.size());
    const auto part = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    return part;
  };
  const auto source = cut();
  if (!is_path(source)) return std::string(kForm);
  if (source.size() == bind.size()) return {};
  const auto target = cut();
  if (!is_path(target) || target.front() != '/') return std::string(kForm) + "; TARGET is absolute";
  const bool mode = bind.size() > source.size() + 1 + target.size();
  if (mode && rest != "ro" && rest != "rw") return std::string(kForm);
  return {};
}

std::string_view bind_source(std::string_view bind) { return bind.substr(0, bind.find(':')); }

bool is_module_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '-' && all_plain(name, "._+-");
}

bool is_well_formed(const Software& software) {
  const auto path = image_path(software.image);
  return (software.image.empty() ? software.binds.empty() && !software.processes_only
          : path.empty()         ? image_fault(software.image).empty()
                                 : software.image.size() <= kMaxToldImageBytes && is_path_at_site(path)) &&
         software.binds.size() <= kMaxBinds && software.modules.size() <= kMaxModules &&
         std::ranges::all_of(software.binds, [](const std::string& bind) { return bind_fault(bind).empty(); }) &&
         std::ranges::all_of(software.modules, is_module_name);
}

Reason software_obstacle(const Software& software, const SoftwareProfile& profile) {
  if (!software.image.empty() && !profile.images.empty() &&
      std::ranges::none_of(profile.images, [&](const std::string& prefix) { return software.image.starts_with(prefix); })) {
    return {"IMAGE_NOT_ALLOWED", "this site starts only images whose names begin with " + listed(profile.images)};
  }
  for (const auto& bind : software.binds) {
    const auto source = bind_source(bind);
    if (!source.starts_with('/') ||
        std::ranges::any_of(profile.binds, [&](const std::string& folder) { return is_beneath(source, folder); }))
      continue;
    return {"BIND_NOT_ALLOWED",
            "this site binds " +
                (profile.binds.empty() ? "no folders of its own" : "only what is beneath " + listed(profile.binds)) + ", not " +
                std::string(source)};
  }
  for (const auto& name : software.modules) {
    if (std::ranges::binary_search(profile.modules, name)) continue;
    const std::vector<std::string_view> known(profile.modules.begin(), profile.modules.end());
    constexpr std::size_t kTold = 12;
    std::vector<std::string> told(profile.modules.begin(),
                                  profile.modules.begin() + static_cast<std::ptrdiff_t>(std::min(kTold, profile.modules.size())));
    return {"NO_SUCH_MODULE",
            "this site has no module \"" + name + "\"" + did_you_mean(name, known) +
                (told.empty() ? "; it names none" : "; it has " + listed(told) + (known.size() > kTold ? ", ..." : ""))};
  }
  return {};
}

Json to_json(const Software& software) {
  Json json = Json::object();
  if (!software.image.empty()) json["image"] = software.image;
  if (!software.binds.empty()) json["binds"] = software.binds;
  if (software.processes_only) json["processes_only"] = true;
  if (!software.modules.empty()) json["modules"] = software.modules;
  if (software.outbound) json["outbound"] = true;
  return json;
}

}  // namespace hansa::domain
