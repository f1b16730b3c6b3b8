// Building an engine whose parts are code of the host.
#ifndef CONVOY_NODE_BUILD_H
#define CONVOY_NODE_BUILD_H

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call.h"
#include "channel.h"

namespace convoy_node {

// The whole of it as one call, off the JavaScript thread.
struct Build : Call {
    std::shared_ptr<Channel> channel;
    uint32_t host = 0;
    std::string repository, options;
    std::vector<std::string> adapters;    // descriptions
    std::optional<std::string> reviewer;  // description
    bool merge_queue = false;
    int32_t log_level = 0;  // 0: nothing is told
    std::vector<std::string> gates, prompts, hooks;  // names

    Build();
    void perform() override;

  private:
    convoy_status build();
    convoy_status add_parts(convoy_engine_builder *builder);
    convoy_status add_code(convoy_engine_builder *builder);
};

// Has a run tell the channel of its events under a key.
convoy_status set_wake(convoy_run *run, std::shared_ptr<Channel> channel, uint32_t key, convoy_error **err);

}  // namespace convoy_node

#endif
